import { errorText } from '../../runtime/errors.ts';
import { Slices } from '../../runtime/slices.ts';
import { isOver } from '../state/checkpoint-store.ts';
import { isHidden, type ScanResult, type ScanRules, type StartRule } from './discovery.ts';
import { Endings } from './endings.ts';
import { BudgetError } from './file-budget.ts';
import { hasChanged } from './file-look.ts';
import type { FoundFile } from './found-file.ts';
import { KnownFiles } from './known-files.ts';
import { Pins } from './pins.ts';
import { Recogniser } from './recogniser.ts';
import { beginScan, isWhereItWas, type Scan } from './scan.ts';
import { NOT_OPEN, type Source } from './source.ts';
import { SourceFiles } from './source-files.ts';
import type { SourceSetTools } from './source-set-tools.ts';
import { TrackedSources } from './tracked-sources.ts';
import { VanishedFiles } from './vanished-files.ts';

/** How long a file that has left its path is kept open after it last grew, for writers that have not noticed. */
export const RENAMED_GRACE_MS = 5 * 60_000;
const UNLINKED_GRACE_MS = 5_000;
/** How many complete files that are not there any more are known, in case that they come back. */
const COMPLETE_KNOWN_MAX = 1_000;

/** The generations that one entry reads: recognises files, follows renames, notices truncation, lets go of what is complete. */
export class SourceSet {
  readonly #tools: SourceSetTools;
  readonly #direct: (source: Source) => void;
  readonly #files: SourceFiles;
  readonly #endings: Endings;
  readonly #known: KnownFiles;
  readonly #tracked: TrackedSources;
  readonly #recogniser: Recogniser;
  readonly #vanished: VanishedFiles;
  /** Paused, for the entry did not mean them when they were last looked at. */
  readonly #unwanted = new Set<Source>();
  readonly #pins: Pins;
  /** Whether some files could not be opened in the last scan, for too many are open. */
  waiting = false;

  /** `direct` sets a new source going. */
  constructor(entryUid: string, tools: SourceSetTools, direct: (source: Source) => void) {
    this.#tools = tools;
    this.#direct = direct;
    const checkpoints = tools.store.load(entryUid);
    const files = new SourceFiles(tools.budget, tools.clock);
    const endings = new Endings(tools);
    const known = new KnownFiles(checkpoints.filter((checkpoint) => !isOver(checkpoint)));
    [this.#files, this.#endings, this.#known] = [files, endings, known];
    this.#tracked = new TrackedSources(entryUid, tools, { files, endings, direct });
    this.#pins = new Pins(tools.budget, (source) => {
      this.#tracked.remove(source);
      endings.end(source, 'budget', false);
    });
    this.#recogniser = new Recogniser(tools, { tracked: this.#tracked, files, endings, known });
    this.#vanished = new VanishedFiles(tools, { tracked: this.#tracked, known, recogniser: this.#recogniser });
    this.#tracked.restoreEnded(checkpoints);
  }

  [Symbol.iterator](): Iterator<Source> {
    return this.#tracked[Symbol.iterator]();
  }

  /** Nothing is on its way, of generations either that are no more. */
  get settled(): boolean {
    for (const source of this.#tracked) if (!source.settled) return false;
    return this.#endings.sources.every((source) => source.settled);
  }

  /** Takes in what a scan found, and looks at each source; returns the errors by path. Stops early when `signal` is aborted. */
  async reconcile(found: ScanResult, rules: ScanRules, signal: AbortSignal): Promise<Map<string, string>> {
    const { added } = this.#tracked;
    const scan = beginScan(found, rules, signal);
    this.#files.scanBegins();
    const unmet = this.#findPresent(scan);
    // What is known goes first: what is new may be the copy of one that was truncated, or is nowhere.
    const isKnown = (file: FoundFile) => this.#tracked.of(file) !== undefined || this.#known.mayHave(file);
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
      if (scan.present.has(source)) this.#sealIfRotated(source);
      else if (!rules.matches(source.path)) this.#isUnwanted(source);
      // What can't be looked at may still be there, and what a hint has brought meanwhile is.
      else if (!isHidden(source.path, found) && source.order <= added) this.#leftItsPath(source);
    }
    this.#endings.conclude(ended);
    this.#tools.budget.keepWithin();
    this.#recogniser.keepOnly(scan);
    for (const { entryUid, generation } of this.#known.forgetOldest(scan, COMPLETE_KNOWN_MAX))
      this.#tools.store.remove(entryUid, generation);
    return scan.errors;
  }

  /** Looks at one path, between scans: at the source that was there, and at `file`, if any, which is there now. Rejects when it can't be opened. */
  async meet(path: string, file: FoundFile | undefined, start: StartRule): Promise<void> {
    const former = this.#tracked.at(path);
    // One that is not open may be elsewhere by now.
    if (former && (former.fd !== NOT_OPEN || this.#tracked.of(file ?? former) === former))
      await this.#tracked.look(former);
    if (!file) return;
    const source = await this.#recogniser.sourceOf(file, start);
    if (!source) return;
    this.#isAt(source, path);
    if (source !== former) await this.#tracked.look(source);
  }

  /** Reads on in the file that was last seen at a path, of which there is a hint; false when it must be met. */
  readOn(path: string): boolean {
    return this.#tracked.at(path)?.readOn() === true;
  }

  /** Takes the markers of what has moved. Never rejects. */
  mark(): Promise<void> {
    return this.#tracked.mark();
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
      const source = this.#tracked.at(file.path);
      if (source && isWhereItWas(source, file) && source.sealed === this.#tools.once && !this.#unwanted.has(source))
        present.met(source, file);
      else others.push(file);
    }
    return others;
  }

  async #meetAll(files: readonly FoundFile[], scan: Scan): Promise<void> {
    const atPath = new Map(files.map((file) => [file.path, file.key]));
    const slices = new Slices();
    for (const file of files) {
      if (slices.over) await slices.next();
      if (scan.signal.aborted) return;
      try {
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
    if (this.#unwanted.delete(source)) this.#direct(source);
    this.#pins.remove(source);
    this.#tracked.moved(source, path);
  }

  /** Renamed, and another file has its place: it is complete when it has not grown for long. */
  #sealIfRotated(source: Source): void {
    const successor = this.#tracked.at(source.formerPath);
    if (source.phase === 'live' && successor && successor !== source) {
      source.phase = 'rotated';
      this.#tools.store.put(source.checkpoint);
    }
    if (source.phase !== 'rotated' || source.state !== 'READING') return;
    this.#sealAfter(source, RENAMED_GRACE_MS);
  }

  /** Renamed away or deleted: read on until nothing more comes, then let it go. */
  #leftItsPath(source: Source): void {
    if (source.state === 'READING') {
      source.state = 'DRAINING';
      source.lastGrowthMs = this.#tools.clock.monotonicMs();
      this.#tools.onStateChange();
    }
    if (source.state !== 'DRAINING') return;
    if (source.unlinked) this.#pins.add(source);
    // Those that no path of the entry's leads to stay open: when there may be no more open files, not for long.
    const brief = source.unlinked || this.#tools.budget.crowded;
    this.#sealAfter(source, brief ? UNLINKED_GRACE_MS : RENAMED_GRACE_MS);
  }

  /** Seals it when it has not grown for so long, and lets it go when all of it is in Kafka. */
  #sealAfter(source: Source, graceMs: number): void {
    if (this.#tools.clock.monotonicMs() - source.lastGrowthMs < graceMs) {
      source.sealed = this.#tools.once;
    } else if (!source.sealed) {
      source.sealed = true;
      source.wake();
    } else if (source.complete) {
      this.#endings.sealed(source);
      // It is known for as long as it is there, lest it is read again.
      this.#letGo(source, source.phase === 'rotated' && source.state === 'READING' ? 'sealed' : 'away');
    }
  }

  /** The entry does not mean it any more: what was read is delivered, and no more is read. */
  #isUnwanted(source: Source): void {
    source.pause();
    this.#unwanted.add(source);
    if (source.settled) this.#letGo(source, source.phase);
  }

  /** Closes the file. A deleted one is forgotten; another may come back, and goes on from where it was. */
  #letGo(source: Source, phase: Source['phase']): void {
    source.phase = phase;
    const { checkpoint } = source;
    this.#pins.remove(source);
    this.#unwanted.delete(source);
    this.#tracked.remove(source);
    if (source.unlinked && source.complete) {
      this.#tools.store.remove(checkpoint.entryUid, checkpoint.generation);
    } else if (source.unlinked) {
      this.#endings.end(source, 'unassigned', true);
    } else {
      this.#known.add(checkpoint);
      this.#tools.store.put(checkpoint);
    }
    this.#tools.onStateChange();
  }
}
