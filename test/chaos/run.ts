import { mkdir } from 'node:fs/promises';
import { systemClock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { TempDir } from '../support/temp-dir.ts';
import { createTopic, readTopic, topicNames } from '../support/topics.ts';
import { acknowledgements, lagBytes } from './acknowledged.ts';
import type { Cluster } from './cluster.ts';
import type { Collector, CollectorSetup } from './collector.ts';
import type { Fact } from './facts.ts';
import { Faults, type Sabotage } from './faults.ts';
import { FileWriter, type Rotation } from './file-writer.ts';
import { Lines, type LineText } from './lines.ts';
import { Oracle } from './oracle.ts';
import type { Fault } from './schedule.ts';
import { mountStateDisk } from './state-disk.ts';
import { followTopic, type TopicReader } from './topic-reader.ts';
import type { Verdict } from './verdict.ts';

export interface RunOptions {
  seed: number;
  durationMs: number;
  schedule: readonly Fault[];
  linesPerSecond: number;
  rotations: readonly Rotation[];
  text: LineText;
  sabotage: Sabotage | undefined;
  /** What the faults hit. */
  collector(setup: CollectorSetup, say: (line: string) => void): Promise<Collector>;
}

export interface RunResult {
  collector: string;
  kills: number;
  faults: Record<string, number>;
  /** How often the collector exited without being asked to. */
  endedByItself: number;
  /** From when the last line was written to when the last record was read. */
  settledSeconds: number;
  verdict: Verdict;
}

const PARTITIONS = 6;
const LIFE_SECONDS = 4;
const STATUS_INTERVAL_MS = 10_000;
const LOOK_INTERVAL_MS = 500;
/** After this long without a record, none will arrive. */
const QUIET_MS = 40_000;
const AUDIT_TOPIC = 'logfleet.audit';

/**
 * One run: writers write, faults occur and end, everything heals, and the topic is compared with
 * what was written.
 */
export async function runChaos(
  cluster: Cluster,
  dir: Pick<TempDir, 'at'>,
  options: RunOptions,
  say: (line: string) => void,
): Promise<RunResult> {
  await using ended = new AsyncDisposableStack();
  const lines = new Lines(options.seed, options.text);
  const replicationFactor = cluster.proxies.length;
  const topic = await createTopic(cluster.bootstrap, PARTITIONS, { replicationFactor });
  const disk = await mountStateDisk(dir.at('state'), say);
  if (disk) ended.defer(() => disk.unmount());
  await mkdir(dir.at('logs'), { recursive: true });
  const collector = await options.collector(
    {
      controller: cluster.controller,
      bootstrap: cluster.bootstrap,
      paths: [dir.at('logs', '*.log*')],
      topic,
      stateDir: dir.at('state'),
      logFile: dir.at('collector.log'),
    },
    say,
  );
  await collector.start();
  ended.defer(() => collector.kill('SIGKILL'));
  const faults = new Faults({ cluster, collector, disk, sabotage: options.sabotage }, say);
  const writers = await writeThrough(collector, dir, lines, options, faults, say);
  const written = writers.flatMap(({ lives }) => lives);
  const oracle = new Oracle(lines);
  await using reader = await followTopic(cluster.bootstrap, topic, (record) => oracle.observe(record));
  const settledSeconds = await settle(reader, () => oracle.missing(written), say);
  // What the collector still has to send, it sends now.
  await collector.kill('SIGTERM');
  await untilAtEnd(reader);
  return {
    collector: collector.name,
    kills: faults.kills,
    faults: faults.done,
    endedByItself: collector.endedByItself,
    settledSeconds,
    verdict: oracle.verdict(written, await readFacts(cluster)),
  };
}

/**
 * Lets the writers write while faults occur. Returns when the last fault has ended and the last
 * line is written.
 */
async function writeThrough(
  collector: Collector,
  dir: Pick<TempDir, 'at'>,
  lines: Lines,
  { seed, durationMs, schedule, linesPerSecond, rotations }: RunOptions,
  faults: Faults,
  say: (line: string) => void,
): Promise<FileWriter[]> {
  const acknowledged = acknowledgements(collector);
  const share = linesPerSecond / rotations.length;
  const writers = rotations.map(
    (rotation, index) =>
      new FileWriter({
        seed,
        name: `${rotation}-${index}`,
        rotation,
        folder: dir.at('logs'),
        archive: dir.at('archive'),
        linesPerSecond: share,
        linesPerLife: share * LIFE_SECONDS,
        lines,
        acknowledged,
      }),
  );
  const stopping = new AbortController();
  const { signal } = stopping;
  const startMs = systemClock.monotonicMs();
  const status = reportStatus(collector, writers, faults, startMs, signal, say);
  // The first failure ends the run.
  const all = writers.map((writer) => writer.run(signal));
  const failed = Promise.all(all).then(() => new Promise<never>(() => {}));
  try {
    await Promise.race([failed, faults.run(schedule, signal)]);
    await Promise.race([failed, systemClock.sleep(Math.max(0, startMs + durationMs - systemClock.monotonicMs()))]);
  } finally {
    stopping.abort();
    await Promise.allSettled([...all, status]);
  }
  return writers;
}

async function reportStatus(
  collector: Collector,
  writers: readonly FileWriter[],
  faults: Faults,
  startMs: number,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<void> {
  for (;;) {
    await systemClock.sleep(STATUS_INTERVAL_MS, signal);
    const lives = writers.flatMap((writer) => writer.lives);
    const count = lives.reduce((sum, life) => sum + life.lines, 0).toLocaleString('en-US');
    const lag = await lagBytes(collector);
    const seconds = Math.round((systemClock.monotonicMs() - startMs) / 1000);
    const behind = lag === undefined ? '' : `, ${(lag / 1024).toFixed(0)} KiB behind`;
    say(`${seconds} s: ${count} lines in ${lives.length} lives of files, ${faults.kills} kills${behind}`);
  }
}

/**
 * Waits until nothing is missing, or nothing has arrived for a while. Returns after how many
 * seconds the last record arrived.
 */
async function settle(reader: TopicReader, missing: () => number, say: (line: string) => void): Promise<number> {
  const startMs = systemClock.monotonicMs();
  let [records, lastMs] = [0, startMs];
  for (;;) {
    if (reader.records !== records) {
      records = reader.records;
      lastMs = systemClock.monotonicMs();
      if (missing() === 0) break;
    }
    if (systemClock.monotonicMs() - lastMs > QUIET_MS) {
      say(`${missing()} lines have not come, and nothing else has for ${QUIET_MS / 1000} s`);
      break;
    }
    await systemClock.sleep(LOOK_INTERVAL_MS);
  }
  return (lastMs - startMs) / 1000;
}

async function untilAtEnd(reader: TopicReader): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + QUIET_MS;
  let last = 'there is more to read';
  while (systemClock.monotonicMs() < deadlineMs) {
    try {
      if (await reader.isAtEnd()) return;
    } catch (error) {
      last = errorText(error);
    }
    await systemClock.sleep(LOOK_INTERVAL_MS);
  }
  throw new Error(`the topic could not be read to its end within ${QUIET_MS / 1000} s: ${last}`);
}

async function readFacts({ bootstrap }: Cluster): Promise<Fact[]> {
  if (!(await topicNames(bootstrap)).includes(AUDIT_TOPIC)) return [];
  const records = await readTopic(bootstrap, AUDIT_TOPIC);
  return records.map(({ value }) => JSON.parse(value.toString()) as Fact);
}
