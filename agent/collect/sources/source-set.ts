import { stat } from 'node:fs/promises';
import type { Clock } from '../../../runtime/clock.ts';
import { errorText, rethrowDefect } from '../../../runtime/errors.ts';
import type { Logger } from '../../../runtime/logger.ts';
import { Slices } from '../../../runtime/slices.ts';
import type { Charset } from '../../encode/charset.ts';
import { type Checkpoint, hasEnded, isComplete } from '../../model/checkpoint.ts';
import type { FactLog } from '../../model/fact.ts';
import { type FoundFile, fileKey, keyOf } from '../../model/found-file.ts';
import type { IntentSegment } from '../../model/segment.ts';
import type { CheckpointStore } from '../../state/checkpoint-store.ts';
import { BudgetError, type FileBudget } from '../files/file-budget.ts';
import { isUnreadable, type ScanResult, type ScanRules, type StartRule } from '../find/discovery.ts';
import { secondsUntilBudgetLoss, secondsUntilTruncationLoss } from '../lag/loss-forecast.ts';
import { Rotations } from '../lag/rotations.ts';
import type { EntryTaps } from '../read/entry-taps.ts';
import type { RateLimits } from '../read/rate-limit.ts';
import type { CrashRecovery } from './crash-recovery.ts';
import { DeletedFileBudget } from './deleted-file-budget.ts';
import { EndedFiles } from './ended-files.ts';
import { type Archive, FileIdentifier } from './file-identifier.ts';
import { FileObserver } from './file-observer.ts';
import { takeOldestComplete } from './known-files.ts';
import { OpenSources, type RouteAssigner } from './open-sources.ts';
import { RetirementRules } from './retirement-rules.ts';
import { beginScan, type Scan } from './scan.ts';
import { noteUnmoved, sourcesToObserve, splitByKnown, verdictOn } from './scan-steps.ts';
import type { Source } from './source.ts';
import type { SourceObserver } from './source-context.ts';
import { SourceFactory } from './source-factory.ts';
import { SourceFiles } from './source-files.ts';
import { SourceRegistry } from './source-registry.ts';
import { VanishedFiles } from './vanished-files.ts';

/** How many complete files that no scan finds any more stay known, in case that they return. */
const COMPLETE_KNOWN_MAX = 1_000;

/** Observes the sources of all entries. */
export interface SourceListener {
  /** A segment was acknowledged; the source's position and checkpoint have moved already. */
  acknowledged(source: Source, segment: IntentSegment): void;
  /** A file has another state or another error. */
  stateChanged(): void;
}

/** How the files of one entry are read. */
export interface ReadOptions {
  /** The files will not grow: an unterminated last line is sent at once. */
  once: boolean;
  /** Which bytes end a line. Undefined: line feeds. */
  charset?: (() => Charset) | undefined;
  taps?: EntryTaps | undefined;
  limits?: RateLimits | undefined;
}

export interface SourceSetDependencies {
  clock: Clock;
  logger: Logger;
  store: CheckpointStore;
  facts: FactLog;
  budget: FileBudget;
  recovery: CrashRecovery;
  routes: RouteAssigner;
  listener: SourceListener;
  options: ReadOptions;
}

/**
 * The generations of one entry. It evaluates scans and file events: identifies files, follows
 * renames, detects truncations and closes what is complete.
 */
export class SourceSet {
  readonly #dependencies: SourceSetDependencies;
  readonly #registry = new SourceRegistry();
  readonly #rotations = new Rotations();
  readonly #files: SourceFiles;
  readonly #open: OpenSources;
  readonly #ended: EndedFiles;
  readonly #observer: FileObserver;
  readonly #identifier: FileIdentifier;
  readonly #retirement: RetirementRules;
  readonly #vanished: VanishedFiles;
  /** Whether the last scan left files unopened because the limit on open files was reached. */
  waiting = false;

  constructor(entryUid: string, dependencies: SourceSetDependencies) {
    const { clock, budget, listener, options } = dependencies;
    const { once, charset, taps, limits } = options;
    const context = { clock, once, taps, limits, observer: this.#sourceObserver() };
    const factory = new SourceFactory(entryUid, { ...dependencies, context });
    const files = new SourceFiles(budget, clock);
    const deleted = new DeletedFileBudget(budget, (source) => this.#giveUp(source));
    const onStateChange = () => listener.stateChanged();
    const shared = { ...dependencies, registry: this.#registry, rotations: this.#rotations, factory, files, deleted };
    const open = new OpenSources(shared);
    const ended = new EndedFiles({ ...shared, open });
    const observer = new FileObserver({ ...shared, open, ended, onStateChange });
    const identifier = new FileIdentifier({ ...shared, open, ended, observer, once, charset });
    this.#dependencies = dependencies;
    this.#files = files;
    this.#open = open;
    this.#ended = ended;
    this.#observer = observer;
    this.#identifier = identifier;
    this.#retirement = new RetirementRules({ ...shared, open, ended });
    this.#vanished = new VanishedFiles({ ...shared, open, ended, identifier, once });
    const checkpoints = factory.load();
    for (const checkpoint of checkpoints) if (!hasEnded(checkpoint)) this.#registry.addKnown(checkpoint);
    ended.restore(checkpoints);
  }

  /** The open sources. */
  [Symbol.iterator](): Iterator<Source> {
    return this.#registry[Symbol.iterator]();
  }

  /** Archives among the files, which are not read. */
  get archives(): Iterable<Archive> {
    return this.#identifier.archives;
  }

  /** How many sources were opened so far. */
  get opened(): number {
    return this.#registry.opened;
  }

  /** Complete generations whose files are not open, and may no longer exist. */
  get completed(): Checkpoint[] {
    return this.#registry.known.filter(isComplete);
  }

  /** Every segment has an outcome, also those of generations that have ended. */
  get settled(): boolean {
    for (const source of this.#registry) if (!source.settled) return false;
    return this.#registry.ended.every((source) => source.settled);
  }

  /** In how many seconds a file loses unread lines at its present trend. 0: none is forecast. */
  lossForecast({ file, position, size }: Source): number {
    const { clock, budget } = this.#dependencies;
    const nowMs = clock.monotonicMs();
    const { pace, path, unlinked } = file;
    if (!pace || size <= position) return 0;
    const lag = { lagBytes: size - position, lagMs: pace.lagMs(position, nowMs) };
    const behind = { ...lag, lagPerSecond: pace.lagPerSecond(nowMs) };
    if (unlinked) return secondsUntilBudgetLoss(behind, this.#rotations.deletions, budget.pinnedBytesLeft, nowMs);
    return secondsUntilTruncationLoss(behind, this.#rotations.lossTimesAt(path), nowMs);
  }

  /**
   * Evaluates a scan. Returns what is wrong, by path. Stops early when `signal` is aborted. Rejects
   * only if an invariant is violated.
   */
  async evaluate(found: ScanResult, rules: ScanRules, signal: AbortSignal): Promise<Map<string, string>> {
    const scan = beginScan(found, rules, signal);
    this.#files.scanBegins();
    const { known, fresh } = splitByKnown(noteUnmoved(scan, this.#registry), this.#registry);
    await this.#identifyAll(known, scan, undefined);
    if (!signal.aborted) await this.#vanished.search(scan);
    // What ends during the next steps may have a copy that only the next scan finds.
    const { ended } = this.#registry;
    await this.#observer.observeAll(sourcesToObserve(scan, this.#registry), signal);
    await this.#identifyAll([...known.filter((one) => !this.#registry.byFile(one)), ...fresh], scan, rules.start);
    for (const { path, error } of found.errors) scan.errors.set(path, errorText(error));
    for (const source of this.#registry)
      if (scan.present.has(source) && !source.file.isOpen && !source.complete) source.wake();
    if (signal.aborted) return scan.errors;
    this.waiting = scan.waiting;
    this.#retire(scan);
    // A file that is not open yet may be the copy of one that has ended.
    if (!scan.waiting) this.#ended.conclude(ended);
    this.#dependencies.budget.enforcePinnedLimit();
    this.#identifier.keepOnly({ found, keys: () => scan.keys });
    const mayExist = (file: Checkpoint) => scan.keys.has(fileKey(file)) || isUnreadable(file.path, found);
    for (const old of takeOldestComplete(this.#registry, mayExist, COMPLETE_KNOWN_MAX)) this.#ended.forget(old);
    return scan.errors;
  }

  /**
   * Handles a file event at `path`: observes the source that was there, and `file`, which is there
   * now, if any. Rejects if the file can't be opened.
   */
  async handleEvent(path: string, file: FoundFile | undefined, start: StartRule): Promise<void> {
    const previous = this.#registry.byPath(path);
    // If its file is not open, it may have been moved: then the scan finds it.
    if (previous && (previous.file.isOpen || this.#registry.byFile(file ?? previous.file) === previous))
      await this.#observer.observe(previous);
    if (!file) return;
    const source = await this.#identifier.sourceOf(file, start);
    // A file with several paths keeps the one that it has.
    const keepsPath = source && source.path !== path && (await isAt(source.path, file));
    if (!source || source.isClosed) return;
    this.#foundAt(source, keepsPath ? source.path : path);
    if (source !== previous) await this.#observer.observe(source);
  }

  /** Reads on in the file that was last seen at `path`. false: call `handleEvent`. */
  continueReading(path: string): boolean {
    return this.#registry.byPath(path)?.continueReading() === true;
  }

  /** See FileIdentifier.reopen. */
  reopen(checkpoint: Checkpoint): Promise<Source | undefined> {
    return this.#identifier.reopen(checkpoint);
  }

  /** Opens the file of a source if it is not open. false: it can't be opened now. */
  async openFile(source: Source): Promise<boolean> {
    if (!source.file.isOpen) await this.#observer.observe(source);
    return source.file.isOpen;
  }

  /** Closes all files. Positions stay. */
  close(): void {
    for (const source of this.#registry) this.#open.close(source);
  }

  /** What the sources call. The fields that it uses are set when the first source is made. */
  #sourceObserver(): SourceObserver<Source> {
    return {
      acknowledged: (source, segment) => this.#acknowledged(source, segment),
      stateChanged: () => this.#dependencies.listener.stateChanged(),
      phaseChanged: (source) => this.#dependencies.store.put(source.file.checkpoint),
      fileNeeded: (source) => void this.#observer.observe(source),
      replaced: (source) => void this.#observer.observe(source),
      reopen: (source) => this.#files.reopen(source),
    };
  }

  #acknowledged(source: Source, segment: IntentSegment): void {
    const { store, listener } = this.#dependencies;
    if (segment.replay === undefined) {
      if (source.file.state.phase === 'sealed') source.apply('unsealed');
      if (!source.isClosed || this.#registry.endingOf(source)) store.put(source.file.checkpoint);
    }
    this.#files.mayBeIdle(source);
    listener.acknowledged(source, segment);
  }

  /** `start`: where new generations begin. undefined: none does. */
  async #identifyAll(files: readonly FoundFile[], scan: Scan, start: StartRule | undefined): Promise<void> {
    const keyAt = new Map(files.map((file) => [file.path, file.key]));
    const slices = new Slices();
    for (const file of files) {
      if (slices.isOver) await slices.startNext();
      if (scan.signal.aborted) return;
      try {
        if (await this.#wasReplaced(file, scan)) continue;
        const source = await this.#identifier.sourceOf(file, start);
        if (!source || source.isClosed || scan.present.has(source)) continue;
        // A file with several paths keeps the one that it has.
        const keepsPath = keyAt.get(source.path) === file.key;
        this.#foundAt(source, keepsPath ? source.path : file.path);
        scan.present.add(source, file);
      } catch (error) {
        rethrowDefect(error);
        scan.waiting ||= error instanceof BudgetError;
        scan.errors.set(file.path, errorText(error));
      }
    }
  }

  /** Whether the path has another file now than the walk found: file events handle that. */
  async #wasReplaced(file: FoundFile, { present }: Scan): Promise<boolean> {
    const sources = [this.#registry.byPath(file.path), this.#registry.byFile(file)];
    const open = sources.filter((source) => source !== undefined);
    if (open.length === 0 || (await isAt(file.path, file))) return false;
    for (const source of open) present.add(source, file);
    return true;
  }

  /** An open source is at `path`, which the entry matches. */
  #foundAt(source: Source, path: string): void {
    const wasUnmatched = source.file.state.activity === 'unmatched';
    source.apply('found');
    this.#retirement.cancel(source);
    if (wasUnmatched) this.#dependencies.routes.assign(source);
    this.#open.foundAt(source, path);
  }

  #retire(scan: Scan): void {
    for (const source of this.#registry) {
      const verdict = verdictOn(source, scan);
      if (verdict === 'found') this.#retirement.afterFound(source);
      else if (verdict === 'unmatched') this.#retirement.afterUnmatched(source);
      else if (verdict === 'left') this.#retirement.afterLeft(source);
    }
  }

  /** Deleted files exceed the budget. A source that is open only for a replay may be complete. */
  #giveUp(source: Source): void {
    this.#ended.end(source, 'budget', source.lastLineDue && source.position >= source.size);
  }
}

/** Whether `path` leads to the file. */
async function isAt(path: string, { key }: FoundFile): Promise<boolean> {
  const stats = await stat(path, { bigint: true }).catch(() => undefined);
  return stats !== undefined && keyOf(stats) === key;
}
