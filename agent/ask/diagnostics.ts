import { availableParallelism, freemem, loadavg, release, totalmem, uptime } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';
import { gzip } from 'node:zlib';
import { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { AgentHealth, AgentIdentity, EntryStatus, FileStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { Clock } from '../../runtime/clock.ts';
import { leavesOf } from '../../runtime/config-leaves.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { FileCollector } from '../collect/file-collector.ts';
import { openFilesMax } from '../collect/files/file-budget.ts';
import type { Source } from '../collect/sources/source.ts';
import { type AgentConfig, agentConfigSpec } from '../config/agent-config.ts';
import { agentIdentity } from '../config/identity.ts';
import type { RequestHandler } from './request-handler.ts';
import { createTar } from './tar.ts';

/** The most sources listed one by one. */
const SOURCES_MAX = 5_000;
const FACTS_MAX = 200;
/** For how long the event loop is measured. */
const WATCH_MS = 1_000;
const PART_BYTES = 64 * 1024;
const NS_PER_MS = 1e6;
const HIDDEN = '********';

interface DiagnosticsDependencies {
  clock: Clock;
  logger: Logger;
  collector: FileCollector;
}

/**
 * Makes an archive that describes the agent's condition. It has no line of any file, and no secret.
 */
export function diagnosticsHandler(
  config: AgentConfig,
  dependencies: DiagnosticsDependencies,
): RequestHandler<'diagnostics'> {
  return async function* bundle(_request, { signal }) {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    const before = performance.eventLoopUtilization();
    delay.enable();
    await dependencies.clock.sleep(WATCH_MS, signal).finally(() => delay.disable());
    const busy = performance.eventLoopUtilization(before);
    const eventLoop = {
      watchedMs: WATCH_MS,
      utilization: busy.utilization,
      delayMs: {
        mean: delay.mean / NS_PER_MS,
        p50: delay.percentile(50) / NS_PER_MS,
        p99: delay.percentile(99) / NS_PER_MS,
        max: delay.max / NS_PER_MS,
      },
    };
    const nowMs = dependencies.clock.nowMs();
    const archive = await promisify(gzip)(createTar(archiveFiles(config, eventLoop, dependencies), nowMs));
    for (let at = 0; at < archive.length; at += PART_BYTES)
      yield { $case: 'diagnostics', value: archive.subarray(at, at + PART_BYTES) };
  };
}

function archiveFiles(config: AgentConfig, eventLoop: object, { clock, logger, collector }: DiagnosticsDependencies) {
  const { entries, files, health, facts } = collector.report();
  const sources = [...collector.entries].flatMap((entry) => [...entry.sources]);
  const documents = {
    'about.json': { time: new Date(clock.nowMs()), ...about(config) },
    'config.json': withoutSecrets(config),
    'health.json': AgentHealth.toJSON(health),
    'entries.json': {
      desired: [...collector.entries].map(({ entry }) => Entry.toJSON(entry)),
      statuses: entries.map((status) => EntryStatus.toJSON(status)),
    },
    'sources.json': {
      count: sources.length,
      sources: sources.slice(0, SOURCES_MAX).map(sourceState),
      failing: files
        .filter(({ lastError }) => lastError !== '')
        .slice(0, SOURCES_MAX)
        .map((file) => FileStatus.toJSON(file)),
    },
    'facts.json': facts.slice(-FACTS_MAX),
    'runtime.json': { eventLoop, ...runtime() },
  };
  const texts = Object.entries(documents).map(([name, value]) => [name, JSON.stringify(value, plain, 2)]);
  return { ...Object.fromEntries(texts), 'log.txt': logger.recent().join('') } as Record<string, string>;
}

function about(config: AgentConfig) {
  return {
    agent: AgentIdentity.toJSON(agentIdentity(config)),
    pid: process.pid,
    uptimeSeconds: process.uptime(),
    versions: process.versions,
    platform: { arch: process.arch, kernel: release(), cpus: availableParallelism(), uptimeSeconds: uptime() },
    host: { totalBytes: totalmem(), freeBytes: freemem(), load: loadavg() },
    openFilesMax: openFilesMax(),
  };
}

function runtime() {
  return {
    memory: process.memoryUsage(),
    heap: getHeapStatistics(),
    heapSpaces: getHeapSpaceStatistics(),
    usage: process.resourceUsage(),
    resources: Object.fromEntries(
      Object.entries(Object.groupBy(process.getActiveResourcesInfo(), (kind) => kind)).map(([kind, all]) => [
        kind,
        all?.length,
      ]),
    ),
  };
}

function sourceState(source: Source) {
  const { path, generation, position, turns, size, lastLineDue, settled, complete, busy, file } = source;
  const { entryUid, device, inode, unlinked, isOpen: open } = file;
  const { topic, partition, ahead, rangeEnd } = file.checkpoint;
  const state = { ...file.state, lastLineDue, unlinked, open, settled, complete, busy };
  const at = { position, readPosition: turns.position, size, rangeEnd, ahead };
  return { path, generation, entryUid, device, inode, ...state, ...at, topic, partition, error: source.errors.current };
}

/** The configuration in force, with secrets replaced. */
export function withoutSecrets(config: AgentConfig): object {
  const copy = structuredClone(config);
  for (const { path, secret } of leavesOf(agentConfigSpec.schema)) {
    if (!secret) continue;
    const parent = path
      .slice(0, -1)
      .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], copy);
    const key = path.at(-1) as string;
    if ((parent as Record<string, unknown> | undefined)?.[key] !== undefined)
      (parent as Record<string, unknown>)[key] = HIDDEN;
  }
  return copy;
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
