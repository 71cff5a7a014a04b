import { cp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../runtime/clock.ts';
import type { KafkaBroker } from '../../stack/kafka.ts';
import type { ProxyMode } from '../support/tcp-proxy.ts';
import type { Cluster } from './cluster.ts';
import type { Collector } from './collector.ts';
import { AGENT_FAULTS, type Fault, type FaultKind, faultText } from './schedule.ts';
import type { StateDisk } from './state-disk.ts';

export interface FaultTargets {
  cluster: Cluster;
  collector: Collector;
  disk: StateDisk | undefined;
  /**
   * Deletes or replaces the state by which the collector avoids duplicates, to see whether the
   * oracle finds them.
   */
  sabotage?: Sabotage | undefined;
}

/** Every other kill restores the state of the kill before, or each kill deletes the state. */
export const SABOTAGES = ['old-state', 'no-state'] as const;
export type Sabotage = (typeof SABOTAGES)[number];

const STOP_TIMEOUT_MS = 30_000;
const SABOTAGED_BYTES_MIN = 100_000;
const LOOK_INTERVAL_MS = 200;
const START_ATTEMPTS = 3;
/**
 * A broker starts slowly on a busy machine. Faults due meanwhile are left out, except the
 * collector's kills.
 */
const LATE_MAX_MS = 5_000;

/**
 * Runs a schedule. Faults of the collector run one after the other, and so do those of the cluster;
 * both run in parallel.
 */
export class Faults {
  readonly #targets: FaultTargets;
  readonly #say: (line: string) => void;
  readonly #done = new Map<FaultKind, number>();
  #agent: Promise<void> = Promise.resolve();
  #cluster: Promise<void> = Promise.resolve();
  #kills = 0;
  /** By generation, at the last sabotaged kill. */
  #positions: ReadonlyMap<string, number> = new Map();

  constructor(targets: FaultTargets, say: (line: string) => void) {
    this.#targets = targets;
    this.#say = say;
  }

  /** How often the collector was killed by kill -9. */
  get kills(): number {
    return this.#kills;
  }

  /** How often each fault occurred. */
  get done(): Record<string, number> {
    return Object.fromEntries([...this.#done].sort());
  }

  /** Resolves when all faults have ended. Rejects if one can't be ended. */
  async run(schedule: readonly Fault[], signal: AbortSignal): Promise<void> {
    const startMs = systemClock.monotonicMs();
    for (const fault of schedule) {
      await systemClock.sleep(Math.max(0, startMs + fault.atMs - systemClock.monotonicMs()), signal);
      const ofAgent = AGENT_FAULTS.some((kind) => kind === fault.kind);
      const apply = async () => {
        if (signal.aborted) return;
        const lateMs = systemClock.monotonicMs() - startMs - fault.atMs;
        if (!ofAgent && fault.kind !== 'kill-both' && lateMs > LATE_MAX_MS) {
          this.#say(`${faultText(fault)}: left out, ${(lateMs / 1000).toFixed(0)} s late`);
          return;
        }
        this.#say(faultText(fault));
        await this.#apply(fault);
        this.#done.set(fault.kind, (this.#done.get(fault.kind) ?? 0) + 1);
      };
      if (ofAgent) this.#agent = this.#agent.then(apply);
      else this.#cluster = this.#cluster.then(apply);
      // Awaited below, after the last one.
      this.#agent.catch(() => {});
      this.#cluster.catch(() => {});
    }
    await this.#cluster;
    await this.#agent;
  }

  async #apply({ kind, forMs, broker }: Fault): Promise<void> {
    switch (kind) {
      case 'kill-agent':
        return this.#killAgent(forMs);
      case 'stop-agent':
        return this.#stopAgent(forMs);
      case 'stall-agent':
        this.#targets.collector.freeze();
        await systemClock.sleep(forMs);
        return this.#targets.collector.thaw();
      case 'full-disk':
        await this.#targets.disk?.fill();
        await systemClock.sleep(forMs);
        return this.#targets.disk?.free();
      case 'kill-broker':
        return this.#killBroker(this.#broker(broker), forMs);
      case 'kill-both':
        this.#agent = this.#agent.then(() => this.#killAgent(forMs));
        await Promise.all([this.#agent, this.#killBroker(this.#broker(broker), forMs)]);
        return;
      case 'stall-broker':
        return this.#stallBroker(this.#broker(broker), forMs);
      case 'cut':
      case 'drop-replies':
      case 'hole':
        return this.#breakNetwork(kind, broker, forMs);
    }
  }

  async #killAgent(forMs: number): Promise<void> {
    if (this.#targets.sabotage) await this.#delivery();
    await this.#targets.collector.kill('SIGKILL');
    this.#kills++;
    if (this.#targets.sabotage) await this.#spoilState(this.#targets.sabotage);
    await systemClock.sleep(forMs);
    await this.#targets.collector.start();
  }

  /** Waits until the collector has delivered so much since its start that it can be doubled. */
  async #delivery(): Promise<void> {
    const before = this.#positions;
    for (let bytes = 0; bytes < SABOTAGED_BYTES_MIN; await systemClock.sleep(LOOK_INTERVAL_MS)) {
      const files = (await this.#targets.collector.files()) ?? [];
      this.#positions = new Map(files.map(({ generation, position }) => [generation, position]));
      bytes = files.reduce((sum, { generation, position }) => sum + position - (before.get(generation) ?? 0), 0);
    }
  }

  async #stopAgent(forMs: number): Promise<void> {
    const { collector } = this.#targets;
    const insist = setTimeout(() => {
      this.#say(`the collector has not stopped ${STOP_TIMEOUT_MS / 1000} s after SIGTERM: it is killed`);
      void collector.kill('SIGKILL');
    }, STOP_TIMEOUT_MS);
    await collector.kill('SIGTERM');
    clearTimeout(insist);
    await systemClock.sleep(forMs);
    await collector.start();
  }

  async #spoilState(sabotage: Sabotage): Promise<void> {
    const { stateDir } = this.#targets.collector;
    const older = `${stateDir}-older`;
    if (sabotage === 'old-state' && this.#kills % 2 === 1) {
      await rm(older, { recursive: true, force: true });
      await cp(stateDir, older, { recursive: true });
      return;
    }
    this.#say(`sabotage: the collector continues with ${sabotage === 'no-state' ? 'no' : 'an older'} state`);
    // The folder itself may be a mounted disk.
    for (const name of await readdir(stateDir)) await rm(join(stateDir, name), { recursive: true, force: true });
    if (sabotage === 'old-state') await cp(older, stateDir, { recursive: true });
  }

  #broker(index: number | undefined): KafkaBroker {
    return this.#targets.cluster.kafka.brokers[index ?? 0] as KafkaBroker;
  }

  async #killBroker(broker: KafkaBroker, forMs: number): Promise<void> {
    await broker.kill('SIGKILL');
    await systemClock.sleep(forMs);
    for (let attempt = 1; ; attempt++) {
      try {
        return await broker.start();
      } catch (error) {
        if (attempt === START_ATTEMPTS) throw error;
      }
    }
  }

  async #stallBroker(broker: KafkaBroker, forMs: number): Promise<void> {
    process.kill(broker.pid, 'SIGSTOP');
    try {
      await systemClock.sleep(forMs);
    } finally {
      process.kill(broker.pid, 'SIGCONT');
    }
  }

  async #breakNetwork(mode: ProxyMode, broker: number | undefined, forMs: number): Promise<void> {
    const { proxies } = this.#targets.cluster;
    const concerned = proxies.filter((_, index) => broker === undefined || broker === index);
    for (const proxy of concerned) proxy.setMode(mode);
    await systemClock.sleep(forMs);
    for (const proxy of concerned) proxy.setMode('pass');
  }
}
