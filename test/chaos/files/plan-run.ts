import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../../runtime/clock.ts';
import type { TcpProxy } from '../../support/tcp-proxy.ts';
import { countRecords, readTopic } from '../../support/topics.ts';
import { type AgentUnderTest, type LogLine, withoutPeriods } from './agent.ts';
import { arrivedText } from './arrived-text.ts';
import type { AuditFact, Evidence, Violation } from './evidence.ts';
import { applyToFiles } from './file-operations.ts';
import type { FleetEntry } from './fleet-entry.ts';
import { type Judgement, judge } from './oracle.ts';
import { BROKER_MODES, type Operation, type Plan } from './plan.ts';
import type { World } from './world.ts';

export interface PlanRunDependencies {
  plan: Plan;
  world: World;
  agent: AgentUnderTest;
  /** Undefined if the agent has no controller. */
  entry: FleetEntry | undefined;
  proxy: TcpProxy | undefined;
  direct: readonly string[];
  topic: string;
  audit: string;
  /** The path of `bin/logfleet`. */
  command: string;
  /** Where to write what arrived. */
  folder: string;
  steps: string[];
}

/** At the end each run has enough of them. */
const DESCRIPTORS_AT_END = 1024;
const SCAN_INTERVAL_AT_END_MS = 1_000;
const LOOK_INTERVAL_MS = 1_000;
const QUIET_MS = 4_000;
const AWAIT_MAX_MS = 20_000;
const AWAIT_INTERVAL_MS = 50;
/** A file that is not found is missing after two scans. */
const SCANS_MIN = 3;
/**
 * A line that is due may take as long after the last record: a copy waits 10 s, and scans come on
 * top.
 */
const PATIENCE_MS = 30_000;
/** However much arrives. */
const SETTLE_MAX_MS = 120_000;
/** The agent says these at ERROR when a file or an operator caused it. */
const EXPECTED_ERRORS = [/^bytes of a file are lost/];

/** One run of a plan, from its first operation to the judgement. */
export class PlanRun {
  readonly #dependencies: PlanRunDependencies;
  readonly #startedMs = systemClock.monotonicMs();
  #firstStartMs = Number.POSITIVE_INFINITY;
  #isBrokerBack: (() => void) | undefined;

  constructor(dependencies: PlanRunDependencies) {
    this.#dependencies = dependencies;
  }

  async judge(): Promise<Judgement> {
    const { plan, agent } = this.#dependencies;
    for (const operation of plan.operations) {
      await systemClock.sleep(operation.pauseMs);
      this.#note(operation, await this.#apply(operation));
    }
    await this.#heal();
    await this.#settled();
    await agent.stop();
    const evidence = await this.#evidence();
    await writeFile(join(this.#dependencies.folder, 'arrived.txt'), arrivedText(evidence));
    const judgement = judge(evidence);
    judgement.violations.push(...(await this.#verified(judgement)), ...(await this.#processFailures()));
    return judgement;
  }

  async #apply(operation: Operation): Promise<string | undefined> {
    const { plan, agent, world, entry } = this.#dependencies;
    switch (operation.kind) {
      case 'start':
        if (agent.isRunning) return undefined;
        await this.#start(plan.settings.scanIntervalMs, plan.settings.descriptors);
        return 'start the agent';
      case 'stop':
        if (!agent.isRunning) return undefined;
        await agent.stop();
        return 'SIGTERM';
      case 'kill':
        if (!agent.isRunning) return undefined;
        await agent.kill();
        return 'kill -9';
      case 'broker':
        return this.#breakBroker(operation);
      case 'await':
        await agent.untilReady();
        return (await this.#isDelivered()) ? 'all has arrived' : 'not all has arrived';
      case 'entry-globs':
      case 'entry-exclude':
      case 'entry-pause':
      case 'entry-resume':
        return await entry?.apply(operation.kind, operation);
      default:
        return applyToFiles(world, operation.kind, operation);
    }
  }

  async #start(scanIntervalMs: number, descriptors: number | undefined): Promise<void> {
    if (this.#firstStartMs === Number.POSITIVE_INFINITY) this.#firstStartMs = systemClock.monotonicMs();
    await this.#dependencies.agent.start(scanIntervalMs, descriptors);
  }

  async #isDelivered(): Promise<boolean> {
    const { world, direct, topic } = this.#dependencies;
    const matched = world.lives.filter(({ matched: periods }) => periods.length > 0);
    const lines = matched.reduce((sum, life) => sum + life.lines().length, 0);
    const untilMs = systemClock.monotonicMs() + AWAIT_MAX_MS;
    while (systemClock.monotonicMs() < untilMs) {
      if ((await countRecords(direct, topic)) >= lines) return true;
      await systemClock.sleep(AWAIT_INTERVAL_MS);
    }
    return false;
  }

  /** Breaks the way to the broker for as many ms as the operation's amount says. */
  #breakBroker({ choice, amount }: Operation): string | undefined {
    const { proxy } = this.#dependencies;
    const mode = BROKER_MODES[choice % BROKER_MODES.length] as (typeof BROKER_MODES)[number];
    if (!proxy) return undefined;
    this.#isBrokerBack?.();
    proxy.setMode(mode);
    this.#isBrokerBack = systemClock.after(amount * 100, () => proxy.setMode('pass'));
    return `broker: ${mode} for ${(amount / 10).toFixed(1)} s`;
  }

  /** Ends all faults, so that what is due can arrive. */
  async #heal(): Promise<void> {
    const { plan, agent, proxy, entry } = this.#dependencies;
    this.#isBrokerBack?.();
    proxy?.setMode('pass');
    await entry?.apply('entry-resume', { choice: 0 });
    const isFit = agent.isRunning && plan.settings.descriptors === undefined && plan.settings.scanIntervalMs <= 5_000;
    if (isFit && !plan.settings.restartsAtEnd) return;
    await agent.stop();
    await this.#start(SCAN_INTERVAL_AT_END_MS, DESCRIPTORS_AT_END);
    await agent.untilReady();
  }

  /** Waits until all that is due has arrived, or nothing more arrives. */
  async #settled(): Promise<void> {
    const { plan, direct, topic, audit } = this.#dependencies;
    const startMs = systemClock.monotonicMs();
    const leastMs = Math.max(QUIET_MS, SCANS_MIN * Math.min(plan.settings.scanIntervalMs, 5_000));
    let [count, lastMs, judged] = [-1, startMs, undefined as { at: number; judgement: Judgement } | undefined];
    for (;;) {
      await systemClock.sleep(LOOK_INTERVAL_MS);
      const nowMs = systemClock.monotonicMs();
      const now = (await countRecords(direct, topic)) + (await countRecords(direct, audit));
      if (now !== count) [count, lastMs] = [now, nowMs];
      if (nowMs - startMs > SETTLE_MAX_MS) return;
      if (nowMs - lastMs < QUIET_MS || nowMs - startMs < leastMs) continue;
      if (judged?.at !== count) judged = { at: count, judgement: judge(await this.#evidence()) };
      const isComplete = !judged.judgement.violations.some(({ kind }) => kind === 'lost');
      if (isComplete || nowMs - lastMs > PATIENCE_MS) return;
    }
  }

  async #evidence(): Promise<Evidence> {
    const { plan, world, agent, entry, direct, topic, audit } = this.#dependencies;
    const endMs = systemClock.monotonicMs();
    const toUnixMs = systemClock.nowMs() - endMs;
    const facts = (await readTopic(direct, audit)).map(({ value }) => JSON.parse(value.toString()) as AuditFact);
    const records = await readTopic(direct, topic);
    const { settings } = plan;
    return {
      settings,
      lives: world.lives,
      uptimes: withoutPeriods(agent.uptimes, entry?.pauses ?? []),
      records,
      facts,
      firstStartMs: this.#firstStartMs,
      globChangesMs: entry?.globChangesMs ?? [],
      endMs,
      toUnixMs,
    };
  }

  /** Whether `logfleet verify` sees the holes and doubles that the oracle sees by the headers. */
  async #verified({ violations }: Judgement): Promise<Violation[]> {
    const { command, direct, topic, audit } = this.#dependencies;
    const args = ['verify', '--topic', topic, '--audit-topic', audit, '--kafka', direct.join(',')];
    const { code, output } = await new Promise<{ code: unknown; output: string }>((resolve) => {
      execFile(command, args, (error, stdout, stderr) =>
        resolve({ code: error ? error.code : 0, output: stdout + stderr }),
      );
    });
    const isBroken = violations.some(({ kind }) => kind === 'hole' || kind === 'overlap' || kind === 'sealed');
    if (code === (isBroken ? 1 : 0)) return [];
    const found = isBroken ? 'finds nothing' : 'finds what is not there';
    return [{ kind: 'verify', text: `verify ${found}, exit code ${code}: ${output.slice(-400)}` }];
  }

  async #processFailures(): Promise<Violation[]> {
    const { agent, world } = this.#dependencies;
    const log = await agent.log();
    const failures = agent.failures.map((text): Violation => ({ kind: 'process', text }));
    for (const line of log.filter(({ level }) => level === 'error')) {
      if (EXPECTED_ERRORS.some((pattern) => pattern.test(line.message))) continue;
      failures.push({ kind: 'process', text: `ERROR in the log: ${JSON.stringify(line).slice(0, 400)}` });
    }
    // The log has a few of them, and the agent's state all.
    if (log.some(({ message }) => message === 'more files cannot be read')) return failures;
    const isReported = (path: string) => log.some((line) => reports(line, path));
    for (const path of world.notUtf8.keys())
      if (!isReported(path)) failures.push({ kind: 'unreported', text: `nothing says that ${path} can't be read` });
    return failures;
  }

  #note({ kind }: Operation, done: string | undefined): void {
    const seconds = ((systemClock.monotonicMs() - this.#startedMs) / 1000).toFixed(3).padStart(7);
    this.#dependencies.steps.push(`${seconds} s  ${done ?? `${kind}: nothing to do it to`}`);
  }
}

/** Whether a log line names a path that is not UTF-8, or a folder above it, in some spelling. */
function reports({ level, path }: LogLine, bad: string): boolean {
  if ((level !== 'warn' && level !== 'error') || typeof path !== 'string') return false;
  const name = path.split('/').at(-1) as string;
  const escaped = bad.replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
  const spellings = [Buffer.from(bad, 'latin1').toString('utf8'), escaped];
  return spellings.some((spelling) => /\ufffd|\\x/.test(name) && spelling.split('/').includes(name));
}
