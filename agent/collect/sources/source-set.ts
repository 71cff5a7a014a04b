import { stat } from 'node:fs/promises';
import { errorText } from '../../../runtime/errors.ts';
import { Slices } from '../../../runtime/slices.ts';
import { type Checkpoint, hasEnded } from '../../model/checkpoint.ts';
import { hasChanged } from '../../model/fingerprint.ts';
import { type FoundFile, keyOf } from '../../model/found-file.ts';
import { BudgetError } from '../files/file-budget.ts';
import { NOT_OPEN } from '../files/file-io.ts';
import { isUnreadable, type ScanResult, type ScanRules, type StartRule } from '../find/discovery.ts';
import { secondsUntilBudgetLoss, secondsUntilTruncationLoss } from '../lag/loss-forecast.ts';
import { Rotations } from '../lag/rotations.ts';
import { DeletedFileBudget } from './deleted-file-budget.ts';
import { EndedFiles } from './ended-files.ts';
import { FileIdentifier } from './file-identifier.ts';
import { KnownFiles } from './known-files.ts';
import { RetirementRules } from './retirement-rules.ts';
import { beginScan, isWhereItWas, type Scan } from './scan.ts';
import type { Source } from './source.ts';
import { SourceFiles } from './source-files.ts';
import type { SourceSetTools } from './source-set-tools.ts';
import { TrackedSources } from './tracked-sources.ts';
import { VanishedFiles } from './vanished-files.ts';

/** How many complete files that are not there any more are known, in case that they come back. */
const COMPLETE_KNOWN_MAX = 1_000;

/** The generations that one entry reads: recognises files, follows renames, notices truncation, lets go of what is complete. */
export class SourceSet {
  readonly #tools: SourceSetTools;
  readonly #direct: (source: Source) => void;
  readonly #files: SourceFiles;
  readonly #endings: EndedFiles;
  readonly #known: KnownFiles;
  readonly #tracked: TrackedSources;
  readonly #recogniser: FileIdentifier;
  readonly #vanished: VanishedFiles;
  readonly #pins: DeletedFileBudget;
  readonly #departures: RetirementRules;
  readonly #rotations = new Rotations();
  /** Whether some files could not be opened in the last scan, for too many are open. */
  waiting = false;

  /** `direct` sets a new source going. */
  constructor(entryUid: string, tools: SourceSetTools, direct: (source: Source) => void) {
    this.#tools = tools;
    this.#direct = direct;
    const checkpoints = tools.store.load(entryUid);
    const files = new SourceFiles(tools.budget, tools.clock);
    const endings = new EndedFiles(tools);
    const known = new KnownFiles(checkpoints.filter((checkpoint) => !hasEnded(checkpoint)));
    [this.#files, this.#endings, this.#known] = [files, endings, known];
    this.#tracked = new TrackedSources(entryUid, tools, { files, endings, rotations: this.#rotations, direct });
    this.#pins = new DeletedFileBudget(tools.budget, (source) => {
      this.#tracked.remove(source);
      // One that is held for a replay only may be complete.
      endings.end(source, 'budget', source.sealed && source.position >= source.size);
    });
    const parts = { tracked: this.#tracked, files, endings, known, pins: this.#pins, rotations: this.#rotations };
    this.#departures = new RetirementRules(tools, parts);
    this.#recogniser = new FileIdentifier(tools, parts);
    this.#vanished = new VanishedFiles(tools, { tracked: this.#tracked, known, recogniser: this.#recogniser });
    this.#tracked.restoreEnded(checkpoints);
  }

  [Symbol.iterator](): Iterator<Source> {
    return this.#tracked[Symbol.iterator]();
  }

  /** How many there were so far. */
  get added(): number {
    return this.#tracked.added;
  }

  /** Nothing is on its way, of generations either that are no more. */
  get settled(): boolean {
    for (const source of this.#tracked) if (!source.settled) return false;
    return this.#endings.sources.every((source) => source.settled);
  }

  /** In how many seconds a file will lose unread lines, if all goes on as it does; 0: none is forecast. */
  lossForecast({ pace, position, size, path, unlinked }: Source): number {
    const { clock, budget } = this.#tools;
    const nowMs = clock.monotonicMs();
    if (!pace || size <= position) return 0;
    const lag = { lagBytes: size - position, lagMs: pace.lagMs(position, nowMs) };
    const behind = { ...lag, lagPerSecond: pace.lagPerSecond(nowMs) };
    if (unlinked) return secondsUntilBudgetLoss(behind, this.#rotations.deletions, budget.pinnedBytesLeft, nowMs);
    return secondsUntilTruncationLoss(behind, this.#rotations.lossTimesAt(path), nowMs);
  }

  /** Takes in what a scan found, and looks at each source; returns the errors by path. Stops early when `signal` is aborted. */
  async reconcile(found: ScanResult, rules: ScanRules, signal: AbortSignal): Promise<Map<string, string>> {
    const scan = beginScan(found, rules, signal);
    this.#files.scanBegins();
    const unmet = this.#findPresent(scan);
    // What is known goes first: what is new may be the copy of one that was truncated, or is nowhere.
    const isKnown = (file: FoundFile) => this.#tracked.byFile(file) !== undefined || this.#known.mayHave(file);
    const { known = [], fresh = [] } = Object.groupBy(unmet, (file) => (isKnown(file) ? 'known' : 'fresh'));
    await this.#meetAll(known, scan);
    if (!signal.aborted) await this.#vanished.seek(scan);
    const ended = this.#endings.sources;
    await this.#meetAll(fresh, scan);
    for (const { path, error } of found.errors) scan.errors.set(path, errorText(error));
    await this.#lookAround(scan);
    if (signal.aborted) return scan.errors;
    this.waiting = scan.waiting;
    for (const source of this.#tracked) {
      if (scan.present.has(source)) this.#departures.sealIfRotated(source);
      else if (!rules.matches(source.path)) this.#departures.notWanted(source);
      // What can't be looked at may still be there, and what a hint has brought meanwhile is.
      else if (!isUnreadable(source.path, found) && source.order <= rules.since) this.#departures.leftItsPath(source);
    }
    this.#endings.conclude(ended);
    this.#tools.budget.enforcePinnedLimit();
    this.#recogniser.keepOnly(scan);
    for (const forgotten of this.#known.forgetOldest(scan, COMPLETE_KNOWN_MAX)) this.#endings.forget(forgotten);
    return scan.errors;
  }

  /** Looks at one path, between scans: at the source that was there, and at `file`, if any, which is there now. Rejects when it can't be opened. */
  async meet(path: string, file: FoundFile | undefined, start: StartRule): Promise<void> {
    const former = this.#tracked.byPath(path);
    // One that is not open may be elsewhere by now.
    if (former && (former.fd !== NOT_OPEN || this.#tracked.byFile(file ?? former) === former))
      await this.#tracked.look(former);
    if (!file) return;
    const source = await this.#recogniser.sourceOf(file, start);
    if (!source) return;
    this.#isAt(source, path);
    if (source !== former) await this.#tracked.look(source);
  }

  /** Reads on in the file that was last seen at a path, of which there is a hint; false when it must be met. */
  readOn(path: string): boolean {
    return this.#tracked.byPath(path)?.readOn() === true;
  }

  /** Takes the markers of what has moved. Never rejects. */
  mark(): Promise<void> {
    return this.#tracked.mark();
  }

  /** Complete generations whose files are not open; of some the file may be no more. */
  get complete(): Checkpoint[] {
    return [...this.#known].filter(({ phase }) => phase === 'sealed' || phase === 'away');
  }

  /** Whether it is left alone, for the entry does not mean it any more. */
  isUnwanted(source: Source): boolean {
    return this.#departures.isUnwanted(source);
  }

  /** See Recogniser.reopen. */
  reopen(checkpoint: Checkpoint): Promise<Source | undefined> {
    return this.#recogniser.reopen(checkpoint);
  }

  /** Opens the file of a source, unless it is open; false when that must wait. */
  async open(source: Source): Promise<boolean> {
    if (source.fd === NOT_OPEN) await this.#tracked.look(source);
    return source.fd !== NOT_OPEN;
  }

  /** Closes the files; their positions stay. */
  close(): void {
    this.#pins.close();
    this.#tracked.close();
  }

  /** Most files are where they were: there is nothing to recognise. Returns the others. */
  #findPresent({ found, present }: Scan): FoundFile[] {
    const others: FoundFile[] = [];
    for (const file of found.files) {
      const source = this.#tracked.byPath(file.path);
      if (
        source &&
        isWhereItWas(source, file) &&
        source.sealed === this.#tools.once &&
        !this.#departures.isUnwanted(source)
      )
        present.met(source, file);
      else others.push(file);
    }
    return others;
  }

  async #meetAll(files: readonly FoundFile[], scan: Scan): Promise<void> {
    const atPath = new Map(files.map((file) => [file.path, file.key]));
    const slices = new Slices();
    for (const file of files) {
      if (slices.isOver) await slices.startNext();
      if (scan.signal.aborted) return;
      try {
        if (await this.#isOutdated(file, scan)) continue;
        const source = await this.#recogniser.sourceOf(file, scan.rules.start);
        if (!source || scan.present.has(source)) continue;
        // One with several names keeps the one that it has.
        const stays = atPath.get(source.path) === file.key;
        this.#isAt(source, stays ? source.path : file.path);
        scan.present.met(source, file);
      } catch (error) {
        scan.waiting ||= error instanceof BudgetError;
        scan.errors.set(file.path, errorText(error));
      }
    }
  }

  /** Whether the path has another file by now than the walk has seen there; hints have met it, or will. */
  async #isOutdated(file: FoundFile, { present }: Scan): Promise<boolean> {
    const known = [this.#tracked.byPath(file.path), this.#tracked.byFile(file)].filter(
      (source) => source !== undefined,
    );
    if (known.length === 0) return false;
    const now = await stat(file.path, { bigint: true }).catch(() => undefined);
    if (now && keyOf(now) === file.key) return false;
    for (const source of known) present.met(source, file);
    return true;
  }

  /** Looks at what has changed, and at what no path leads to. */
  async #lookAround({ present, signal }: Scan): Promise<void> {
    const sources: Source[] = [];
    for (const source of this.#tracked) {
      const found = present.fileOf(source);
      const due = found ? hasChanged(source, found) || source.errors.last !== '' : source.fd !== NOT_OPEN;
      if (due) sources.push(source);
    }
    await this.#tracked.lookAtAll(sources, signal);
    for (const source of this.#tracked)
      if (present.has(source) && source.fd === NOT_OPEN && !source.complete) source.wake();
  }

  /** The file is at a path of the entry's, perhaps another than before. */
  #isAt(source: Source, path: string): void {
    const wasAway = source.state === 'DRAINING';
    if (wasAway) source.state = 'READING';
    if (wasAway || source.phase !== 'rotated') source.sealed = this.#tools.once;
    if (this.#departures.cameBack(source)) this.#direct(source);
    this.#tracked.moved(source, path);
  }
}
