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

/** How long what was acknowledged may have no marker. */
const MARK_INTERVAL_MS = 1_000;
const DRAIN_POLL_MS = 20;
const CHANGE_SETTLE_MS = 20;
/** How long the end waits for the audit topic; the next process goes on with what it does not have then. */
const AUDIT_SETTLE_MS = 2_000;

export interface FileCollectorOptions {
  scanIntervalMs: number;
  drainTimeoutMs: number;
}

/** The collector closes the state and the audit when it is closed. */
export interface CollectorTools extends Omit<EntryCollectorDependencies, 'listener' | 'controls'> {
  state: StateDatabase;
  facts: FactStore;
  audit: AuditLog | undefined;
  /** Positions were lost: files that exist are read from their beginning. */
  lost: boolean;
}

/** The collector of this agent: keeps one EntryCollector for each desired entry. */
export class FileCollector implements Collector {
  readonly #options: FileCollectorOptions;
  readonly #state: StateKeeper;
  readonly #facts: FactStore;
  readonly #audit: AuditLog | undefined;
  readonly #tools: EntryCollectorDependencies;
  #positionsLost: boolean;
  /** What an operator has set for this agent. */
  readonly controls: Controls;
  readonly #totals: DeliveryTotals;
  readonly #usage: ProcessUsage;
  readonly #entries = new Map<string, EntryCollector>();
  /** Stopped entries whose last batches have no answer yet. */
  readonly #leaving = new Map<string, EntryCollector>();
  readonly #listeners: (() => void)[] = [];
  /** It is known what is desired. */
  #desiredKnown = false;
  readonly #stop = new AbortController();
  #changeTimer: Promise<void> | undefined;
  #settling: Promise<void> | undefined;

  constructor(options: FileCollectorOptions, tools: CollectorTools) {
    this.#options = options;
    this.#state = new StateKeeper(tools.state, { ...tools, onChange: () => this.notifyChange() });
    this.#facts = tools.facts;
    this.#positionsLost = tools.lost;
    this.#audit = tools.audit;
    this.#totals = new DeliveryTotals(tools.clock);
    this.#usage = new ProcessUsage(tools.clock);
    const watchers = new FileWatchers(tools.logger);
    this.controls = new Controls(tools.clock, {
      entries: () => (this.#desiredKnown ? this.entries : undefined),
      isSettled: () => this.#all.every(({ sources }) => sources.settled),
      assignRoutes: () => this.#assignRoutes(),
      finish: () => this.#unfinished(),
      onChange: () => this.notifyChange(),
    });
    this.#tools = {
      ...tools,
      controls: this.controls,
      listener: {
        acknowledged: (source, segment) => this.#acknowledged(source, segment),
        stateChanged: () => this.notifyChange(),
      },
      watcher: (events) => watchers.create(events),
    };
  }

  #acknowledged({ file }: Source, segment: IntentSegment): void {
    this.#totals.add(segment, file.entryUid);
    // The losses of a replayed segment were recorded when it was sent first.
    if (segment.replay === undefined) recordLosses(this.#tools.facts, file, segment);
    else if (segment.isRefused) logRefused(this.#tools.logger, file, segment);
  }

  start(): void {
    void this.#scanLoop();
    void this.#markLoop();
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
      // One that has just been stopped and comes back goes on where it is: its last batches are not on the disk yet.
      const collector =
        present ?? this.#leaving.get(entry.uid) ?? new EntryCollector(entry, this.#tools, this.#positionsLost);
      this.#leaving.delete(entry.uid);
      this.#entries.set(entry.uid, collector);
      collector.apply(entry);
      scans.push(collector.scan());
    }
    // Entries that come later were not collected when positions were lost.
    if (this.#positionsLost)
      void Promise.all(scans).then(() => this.#stop.signal.aborted || this.#tools.store.clearLost());
    this.#positionsLost = false;
    this.notifyChange();
  }

  report(): AgentReport {
    const entries = [...this.#entries.values()];
    const nowMs = this.#tools.clock.monotonicMs();
    const filesOf = new Map(entries.map((entry) => [entry, fileStatuses(entry, nowMs)]));
    const files = [...filesOf.values()].flat();
    const error = this.#state.error || this.#tools.router.failure()?.message || (this.#audit?.failure ?? '');
    return {
      entries: [...filesOf].map(([entry, own]) =>
        entryStatus(entry, this.#facts.totals(entry.entry.uid), this.#totals, own),
      ),
      files,
      health: agentHealth(files, this.#totals, this.controls, {
        ...{ error, lostBytes: this.#facts.lostBytes, usage: this.#usage.sample() },
        pinnedBytes: this.#tools.budget.pinnedBytes,
      }),
      facts: this.#facts.last,
    };
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Tells the listeners, once for many changes in a row. */
  notifyChange(): void {
    this.#changeTimer ??= this.#tools.clock.sleep(CHANGE_SETTLE_MS).then(() => {
      this.#changeTimer = undefined;
      for (const listener of this.#listeners) listener();
    });
  }

  /** The entries in force. */
  get entries(): Iterable<EntryCollector> {
    return this.#entries.values();
  }

  /** An entry in force, by its name. */
  findEntry(name: string): EntryCollector | undefined {
    return this.#stop.signal.aborted ? undefined : [...this.entries].find(({ entry }) => entry.name === name);
  }

  /** Stops reading and waits for what is on its way; what it observes afterwards is final. */
  settle(): Promise<void> {
    this.#settling ??= this.#settle();
    return this.#settling;
  }

  /** After `settle`: writes the positions and lets all go. */
  async close(): Promise<void> {
    await this.#endAudit();
    await this.#tools.router.close();
    // Before the sources are closed: an answer that comes this late closes its intent, and only with its position.
    await this.#state.close().finally(() => {
      for (const entry of this.#all) entry.close();
    });
  }

  /** Other settings may be in force. */
  #assignRoutes(): void {
    if (this.#stop.signal.aborted) return;
    for (const entry of this.#entries.values()) entry.assignRoutes();
    this.notifyChange();
  }

  /** Writes positions and facts; what keeps them from being written, for a person. */
  #unfinished(): string {
    try {
      this.#state.flush();
    } catch (error) {
      return errorText(error);
    }
    return this.#audit?.hasPending ? this.#audit.failure || 'losses and sealed files to be written to their topic' : '';
  }

  /** Facts go to the topic when they are durable. */
  async #endAudit(): Promise<void> {
    try {
      this.#state.flush();
      await this.#audit?.settle(AUDIT_SETTLE_MS);
    } catch {
      // The last flush tells it.
    } finally {
      this.#audit?.close();
    }
  }

  get #all(): EntryCollector[] {
    return [...this.#entries.values(), ...this.#leaving.values()];
  }

  async #settle(): Promise<void> {
    const { clock, logger } = this.#tools;
    const deadline = clock.monotonicMs() + this.#options.drainTimeoutMs;
    this.#stop.abort();
    this.controls.stop();
    const all = this.#all;
    for (const entry of all) entry.halt();
    while (!all.every((entry) => entry.isSettled) && clock.monotonicMs() < deadline) await clock.sleep(DRAIN_POLL_MS);
    if (!all.every((entry) => entry.isSettled)) {
      logger.warn('stopping with batches that Kafka has not answered; their lines are read again at the next start');
    }
  }

  #remove(uid: string, collector: EntryCollector): void {
    this.#entries.delete(uid);
    this.#leaving.set(uid, collector);
    collector.halt();
  }

  async #scanLoop(): Promise<void> {
    const { clock } = this.#tools;
    while (!this.#stop.signal.aborted) {
      // Not waited for: one file system that hangs holds up no other.
      for (const entry of this.#entries.values()) if (!entry.isScanning) void entry.scan();
      for (const [uid, entry] of this.#leaving) {
        if (!entry.isSettled) continue;
        entry.close();
        this.#leaving.delete(uid);
      }
      await clock.sleep(this.#options.scanIntervalMs, this.#stop.signal).catch(() => {});
    }
  }

  async #markLoop(): Promise<void> {
    const { clock } = this.#tools;
    while (!this.#stop.signal.aborted) {
      for (const entry of this.#entries.values()) void entry.sources.mark();
      await clock.sleep(MARK_INTERVAL_MS, this.#stop.signal).catch(() => {});
    }
  }
}
