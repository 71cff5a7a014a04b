import assert from 'node:assert/strict';
import type { AgentReport, Collector } from '../../agent/collect/collector.ts';
import { ControllerLink } from '../../agent/link/controller-link.ts';
import { DesiredState } from '../../agent/link/desired-state.ts';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { AgentHealth, AgentIdentity, EntryStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import { etagRevision } from '../../proto/rules/etag.ts';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';

interface SimulatedOptions {
  labels?: Record<string, string>;
  former?: readonly Entry[];
  haste?: number;
}

/**
 * The agent's own link with a collector that has no files and remembers what it applied. It runs in
 * the test's process.
 */
export class SimulatedAgent implements AsyncDisposable {
  readonly id: string;
  readonly labels: Record<string, string>;
  readonly collector = new RememberingCollector();
  /** The controllers that it was connected to, one after the other, and when. */
  readonly connections: { address: string; atMs: number }[] = [];
  /** Why it had no stream, each time. */
  readonly failures: string[] = [];
  readonly #link: ControllerLink;
  readonly #running: Promise<void>;

  /**
   * `former`: the state that its previous process left on the disk. `haste`: the factor by which
   * its waits are shorter.
   */
  constructor(
    id: string,
    addresses: readonly string[],
    { labels = {}, former = [], haste = 1 }: SimulatedOptions = {},
  ) {
    this.id = id;
    this.labels = labels;
    const desired = new DesiredState();
    if (former.length > 0) {
      desired.restore(former);
      this.collector.restore(former);
    }
    const identity = AgentIdentity.create({ agentId: id, host: id, os: 'linux', version: '0.1.0', labels });
    const clock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / haste, signal) };
    const tools = { clock, logger: this.#logger(), collector: this.collector, desired };
    const cache = { save: async () => {} };
    const options = { addresses, identity, reportIntervalMs: 1_000 };
    this.#link = new ControllerLink(options, { ...tools, cache, handlers: {} });
    this.#running = this.#link.run();
  }

  /** What it has applied: etags by name. */
  get applied(): Record<string, string> {
    return Object.fromEntries(this.collector.entries.map(({ name, etag }) => [name, etag]));
  }

  get appliedRevisions(): Record<string, string> {
    return Object.fromEntries(this.collector.entries.map(({ name, etag }) => [name, etagRevision(etag)]));
  }

  /** Throws if a change arrived twice, or an older one after a newer one. */
  assertEachChangeOnce(): void {
    assert.deepEqual(this.collector.offences, [], `agent ${this.id}`);
  }

  /** Leaves with a goodbye. */
  async stop(): Promise<void> {
    this.#link.leave();
    await this.#running;
  }

  /** Ends the stream without a goodbye, as kill -9 does. */
  async crash(): Promise<void> {
    this.collector.dead = true;
    await this.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #logger(): Logger {
    const logger: Logger = {
      debug: () => {},
      info: (message, fields) => {
        if (message !== 'connected to the controller') return;
        this.connections.push({ address: String(fields?.['address']), atMs: systemClock.monotonicMs() });
      },
      warn: (_message, fields) => void this.failures.push(String(fields?.['error'])),
      error: (message) => void this.failures.push(message),
      child: () => logger,
      level: 'info',
      recent: () => [],
    };
    return logger;
  }
}

/**
 * Applies at once, and notes violations: an etag that is not higher than the previous one, and a
 * change without a difference.
 */
class RememberingCollector implements Collector {
  #entries = new Map<string, Entry>();
  /** The highest etag that each entry has had here, also if it was removed since. */
  readonly #highest = new Map<string, bigint>();
  readonly offences: string[] = [];
  /** How many changes it got. */
  changes = 0;
  dead = false;
  #onChange: () => void = () => {};

  get entries(): Entry[] {
    return [...this.#entries.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  restore(entries: readonly Entry[]): void {
    this.#entries = new Map(entries.map((entry) => [entry.name, entry]));
    for (const { name, etag } of entries) this.#highest.set(name, BigInt(etagRevision(etag)));
  }

  apply(entries: readonly Entry[]): void {
    const changed = entries.filter(({ name, etag }) => this.#entries.get(name)?.etag !== etag);
    const removed = this.#entries.size + changed.filter(({ name }) => !this.#entries.has(name)).length > entries.length;
    if (changed.length === 0 && !removed && this.changes > 0) this.offences.push('a change that is none');
    for (const { name, etag } of changed) {
      const highest = this.#highest.get(name) ?? 0n;
      if (BigInt(etagRevision(etag)) <= highest) this.offences.push(`${name}: ${etag} after ${highest}`);
      this.#highest.set(name, BigInt(etagRevision(etag)));
    }
    this.changes += changed.length;
    this.#entries = new Map(entries.map((entry) => [entry.name, entry]));
    this.#onChange();
  }

  report(): AgentReport {
    if (this.dead) throw new Error('the process is gone');
    const entries = this.entries.map(({ name, etag }) =>
      EntryStatus.create({ entry: name, etag, state: 'STATE_APPLIED' }),
    );
    return { entries, files: [], health: AgentHealth.create(), facts: [] };
  }

  onChange(listener: () => void): void {
    this.#onChange = listener;
  }
}
