import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { errorText } from '../../runtime/errors.ts';
import type { IntentSegment } from '../model/segment.ts';
import type { AuditLog } from '../produce/audit-log.ts';
import type { FactStore } from '../state/fact-store.ts';
import type { StateDatabase } from '../state/state-database.ts';
import { StateKeeper } from '../state/state-keeper.ts';
import type { AgentReport, Collector } from './collector.ts';
import { Controls } from './controls.ts';
import { EntryCollector, type EntryCollectorDependencies } from './entry-collector.ts';
import { FileWatchers } from './find/file-watcher.ts';
import { ProcessUsage } from './process-usage.ts';
import { logRefused, recordLosses } from './read/segment-losses.ts';
import { agentHealth, DeliveryTotals, entryStatus, fileStatuses } from './report.ts';
import type { Source } from './sources/source.ts';

const DRAIN_POLL_MS = 20;
const CHANGE_SETTLE_MS = 20;
/**
 * How long `close` waits for the audit topic. The next process sends what is not acknowledged then.
 */
const AUDIT_SETTLE_MS = 2_000;

export interface FileCollectorOptions {
  scanIntervalMs: number;
  drainTimeoutMs: number;
}

/** The collector owns the state and the audit log: it closes them. */
export interface FileCollectorDependencies extends Omit<EntryCollectorDependencies, 'listener' | 'controls'> {
  state: StateDatabase;
  facts: FactStore;
  audit: AuditLog | undefined;
  /** Positions were lost with a damaged state: files that exist are read from their beginning. */
  lost: boolean;
}

/** The agent's collector: one EntryCollector for each desired entry. */
export class FileCollector implements Collector {
  readonly #options: FileCollectorOptions;
  readonly #state: StateKeeper;
  readonly #facts: FactStore;
  readonly #audit: AuditLog | undefined;
  readonly #shared: EntryCollectorDependencies;
  #positionsLost: boolean;
  readonly controls: Controls;
  readonly #totals: DeliveryTotals;
  readonly #usage: ProcessUsage;
  readonly #entries = new Map<string, EntryCollector>();
  /** Stopped entries whose last segments have no outcome yet. */
  readonly #leaving = new Map<string, EntryCollector>();
  readonly #listeners: (() => void)[] = [];
  /** Whether `apply` was called. */
  #desiredKnown = false;
  readonly #stop = new AbortController();
  #changeTimer: Promise<void> | undefined;
  #settling: Promise<void> | undefined;

  constructor(options: FileCollectorOptions, dependencies: FileCollectorDependencies) {
    const { state, facts, audit, lost, clock, logger } = dependencies;
    this.#options = options;
    this.#state = new StateKeeper(state, { ...dependencies, onChange: () => this.notifyChange() });
    this.#facts = facts;
    this.#positionsLost = lost;
    this.#audit = audit;
    this.#totals = new DeliveryTotals(clock);
    this.#usage = new ProcessUsage(clock);
    const watchers = new FileWatchers(logger);
    this.controls = new Controls(clock, {
      entries: () => (this.#desiredKnown ? this.entries : undefined),
      isSettled: () => this.#all.every(({ sources }) => sources.settled),
      assignRoutes: () => this.#assignRoutes(),
      finish: () => this.#unfinished(),
      onChange: () => this.notifyChange(),
    });
    this.#shared = {
      ...dependencies,
      controls: this.controls,
      listener: {
        acknowledged: (source, segment) => this.#acknowledged(source, segment),
        stateChanged: () => this.notifyChange(),
      },
      watcher: (listener) => watchers.create(listener),
    };
  }

  #acknowledged({ file }: Source, segment: IntentSegment): void {
    this.#totals.add(segment, file.entryUid);
    // The losses of a replayed segment were recorded when it was sent first.
    if (segment.replay === undefined) recordLosses(this.#shared.facts, file, segment);
    else if (segment.isRefused) logRefused(this.#shared.logger, file, segment);
  }

  start(): void {
    void this.#scanLoop();
    this.#state.start(this.#stop.signal);
    this.#audit?.start();
  }

  apply(entries: readonly Entry[]): void {
    if (this.#stop.signal.aborted) return;
    this.#desiredKnown = true;
    const wanted = new Map(entries.map((entry) => [entry.uid, entry]));
    const scans: Promise<void>[] = [];
    for (const [uid, collector] of this.#entries) if (!wanted.has(uid)) this.#remove(uid, collector);
    for (const entry of entries) {
      this.#facts.setEntryName(entry.uid, entry.name);
      const present = this.#entries.get(entry.uid);
      if (present?.entry.etag === entry.etag) continue;
      // An entry that was just stopped continues with its collector: its last positions are not
      // stored yet.
      const collector =
        present ?? this.#leaving.get(entry.uid) ?? new EntryCollector(entry, this.#shared, this.#positionsLost);
      this.#leaving.delete(entry.uid);
      this.#entries.set(entry.uid, collector);
      collector.apply(entry);
      scans.push(collector.scan());
    }
    // Later entries were not collected when positions were lost.
    if (this.#positionsLost)
      void Promise.all(scans).then(() => this.#stop.signal.aborted || this.#shared.store.clearLost());
    this.#positionsLost = false;
    this.notifyChange();
  }

  report(): AgentReport {
    const entries = [...this.#entries.values()];
    const nowMs = this.#shared.clock.monotonicMs();
    const filesOf = new Map(entries.map((entry) => [entry, fileStatuses(entry, nowMs)]));
    const files = [...filesOf.values()].flat();
    const error = this.#state.error || this.#shared.router.failure()?.message || (this.#audit?.failure ?? '');
    return {
      entries: [...filesOf].map(([entry, own]) =>
        entryStatus(entry, this.#facts.totals(entry.entry.uid), this.#totals, own),
      ),
      files,
      health: agentHealth(files, this.#totals, this.controls, {
        ...{ error, lostBytes: this.#facts.lostBytes, usage: this.#usage.sample() },
        pinnedBytes: this.#shared.budget.pinnedBytes,
      }),
      facts: this.#facts.last,
    };
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Calls the listeners, once for many changes in a row. */
  notifyChange(): void {
    this.#changeTimer ??= this.#shared.clock.sleep(CHANGE_SETTLE_MS).then(() => {
      this.#changeTimer = undefined;
      for (const listener of this.#listeners) listener();
    });
  }

  /** The desired entries. */
  get entries(): Iterable<EntryCollector> {
    return this.#entries.values();
  }

  /** A desired entry, by its name. */
  findEntry(name: string): EntryCollector | undefined {
    return this.#stop.signal.aborted ? undefined : [...this.entries].find(({ entry }) => entry.name === name);
  }

  /** Stops reading and waits for the outcome of all segments. Later reports are final. */
  settle(): Promise<void> {
    this.#settling ??= this.#settle();
    return this.#settling;
  }

  /** Stores the positions and closes everything. Call it after `settle`. */
  async close(): Promise<void> {
    await this.#endAudit();
    await this.#shared.router.close();
    // Before the sources are closed: a late acknowledgement must store its position with the closed
    // intent.
    await this.#state.close().finally(() => {
      for (const entry of this.#all) entry.close();
    });
  }

  /** Applies changed settings to all entries. */
  #assignRoutes(): void {
    if (this.#stop.signal.aborted) return;
    for (const entry of this.#entries.values()) entry.assignRoutes();
    this.notifyChange();
  }

  /** Stores positions and facts. Returns what prevents that, for people; empty: nothing. */
  #unfinished(): string {
    try {
      this.#state.flush();
    } catch (error) {
      return errorText(error);
    }
    return this.#audit?.hasPending ? this.#audit.failure || 'losses and sealed files to be written to their topic' : '';
  }

  /** Sends the last facts, which must be durable before. */
  async #endAudit(): Promise<void> {
    try {
      this.#state.flush();
      await this.#audit?.settle(AUDIT_SETTLE_MS);
    } catch {
      // The last flush, in `close`, reports the error.
    } finally {
      this.#audit?.close();
    }
  }

  get #all(): EntryCollector[] {
    return [...this.#entries.values(), ...this.#leaving.values()];
  }

  async #settle(): Promise<void> {
    const { clock, logger } = this.#shared;
    const deadline = clock.monotonicMs() + this.#options.drainTimeoutMs;
    this.#stop.abort();
    this.controls.stop();
    const all = this.#all;
    for (const entry of all) entry.halt();
    while (!all.every((entry) => entry.isSettled) && clock.monotonicMs() < deadline) await clock.sleep(DRAIN_POLL_MS);
    if (!all.every((entry) => entry.isSettled)) {
      logger.warn('stopping with unacknowledged batches; the next start resolves them with Kafka');
    }
  }

  #remove(uid: string, collector: EntryCollector): void {
    this.#entries.delete(uid);
    this.#leaving.set(uid, collector);
    collector.halt();
  }

  async #scanLoop(): Promise<void> {
    const { clock } = this.#shared;
    while (!this.#stop.signal.aborted) {
      // Not awaited: a file system that hangs must not delay other entries.
      for (const entry of this.#entries.values()) if (!entry.isScanning) void entry.scan();
      for (const [uid, entry] of this.#leaving) {
        if (!entry.isSettled) continue;
        entry.close();
        this.#leaving.delete(uid);
      }
      await clock.sleep(this.#options.scanIntervalMs, this.#stop.signal).catch(() => {});
    }
  }
}
