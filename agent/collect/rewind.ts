import { stat } from 'node:fs/promises';
import { Slices } from '../../runtime/slices.ts';
import { type SharedFormat, sharedFormat } from '../encode/line-format.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { fileKey, keyOf } from '../model/found-file.ts';
import type { CheckpointStore } from '../state/checkpoint-store.ts';
import type { ReplayRange } from '../state/replay-store.ts';
import type { EntryCollector } from './entry-collector.ts';
import { fstat } from './files/file-io.ts';
import { Discovery } from './find/discovery.ts';
import { formatFacts } from './read/format-facts.ts';
import { lineStartAt } from './read/line-starts.ts';
import type { Source } from './sources/source.ts';

/** Of one generation, that are not in Kafka yet. */
const REPLAYS_MAX = 8;

/** From where on lines are to be sent once more; a time is by this agent's clock. */
export type RewindTo =
  | { kind: 'beginning' }
  | { kind: 'position'; generation: string; position: number }
  | { kind: 'time'; timeMs: number };

export interface RewindWish {
  id: string;
  to: RewindTo;
  /** Globs; none: all files. */
  paths: readonly string[];
}

/** What becomes of one generation: `[start, end)` is sent once more, or can't be, for `error`. */
export interface RewoundRange {
  path: string;
  generation: string;
  start: number;
  end: number;
  error: string;
}

type Known = Pick<Checkpoint, 'entryUid' | 'generation' | 'path' | 'device' | 'inode' | 'position'>;

interface Planned {
  source: Source;
  start: number;
}

/** Sends lines of one entry once more: looks where each generation is to begin, and begins all of them in one transaction. */
export class Rewind {
  readonly #collector: Pick<EntryCollector, 'entry' | 'sources'>;
  readonly #store: CheckpointStore;
  readonly #wish: RewindWish;
  readonly #format: SharedFormat;
  readonly #marked: boolean;
  readonly #planned: Planned[] = [];
  readonly #ranges: RewoundRange[] = [];

  constructor(
    collector: Pick<EntryCollector, 'entry' | 'sources'>,
    { store, host, wish }: { store: CheckpointStore; host: string; wish: RewindWish },
  ) {
    this.#collector = collector;
    this.#store = store;
    this.#wish = wish;
    const facts = formatFacts(collector.entry, host);
    this.#format = sharedFormat(facts);
    this.#marked = facts.headers !== 'none';
  }

  /** Finds out from where on each generation is to be sent; with `dry` no file is opened that is complete. */
  async plan(dry: boolean, signal: AbortSignal): Promise<void> {
    const { sources } = this.#collector;
    const slices = new Slices();
    const isMeant = this.#meant();
    for (const known of [...sources, ...sources.complete]) {
      if (slices.over) await slices.next();
      signal.throwIfAborted();
      if (isMeant(known)) await this.#planOne(known, dry);
    }
  }

  /** What would be sent. */
  get ranges(): RewoundRange[] {
    const planned = this.#planned.filter(({ source, start }) => start < source.position);
    return [...this.#ranges, ...planned.map(({ source, start }) => rangeOf(source, start, source.position))];
  }

  /** Begins, at once and for all; `answerOf` makes what is kept as the answer. Throws StateError, and nothing is begun. */
  begin(answerOf: (ranges: readonly RewoundRange[]) => string, nowMs: number): RewoundRange[] {
    const { replays } = this.#store;
    const { id } = this.#wish;
    const gone = this.#planned.filter(({ source }) => source.state === 'CLOSED');
    const begun = this.#planned.filter(({ source, start }) => source.state !== 'CLOSED' && start < source.position);
    const failed = gone.map(({ source }) => failure(source, 'its file has just been closed: ask again, by another id'));
    const ranges = begun.map(({ source, start }) => rangeOf(source, start, source.position));
    const all = [...this.#ranges, ...failed, ...ranges];
    const { uid: entryUid } = this.#collector.entry;
    const asked = begun.map(({ source, start }): ReplayRange => {
      const { position, lineState } = source.checkpoint;
      const { generation } = source;
      return { id, entryUid, generation, start, end: position, endState: lineState, isMarked: this.#marked };
    });
    replays.begin({ entryUid, id, answer: answerOf(all) }, asked, nowMs);
    for (const { source } of begun) {
      const replay = replays.forGeneration(source.generation).at(-1);
      if (replay) source.replay(replay, replays, { open: [], returned: [] });
      source.wake();
    }
    return all;
  }

  #meant(): (known: Known) => boolean {
    const { to, paths } = this.#wish;
    if (to.kind === 'position') return ({ generation }) => generation === to.generation;
    if (paths.length === 0) return () => true;
    const globs = new Discovery({ paths: [...paths], exclude: [] });
    return ({ path }) => globs.matches(path);
  }

  async #planOne(known: Source | Checkpoint, dry: boolean): Promise<void> {
    const { to } = this.#wish;
    try {
      const wanted = await this.#wantedStart(known);
      if (to.kind === 'position' && wanted > known.position)
        throw new Error(
          `position ${wanted} is beyond ${known.position}, to where Kafka has it: lines between would be lost`,
        );
      if (wanted >= known.position) return;
      if (!isSource(known)) await requireFile(known);
      if (this.#store.replays.forGeneration(known.generation).length >= REPLAYS_MAX)
        throw new Error(`it is sent ${REPLAYS_MAX} times already: wait until that is done`);
      if (!isSource(known) && dry) {
        this.#ranges.push(rangeOf(known, wanted, known.position));
        return;
      }
      const source = await this.#opened(known);
      const start = await lineStartAt(source.fd, wanted, this.#format);
      if (start === undefined)
        throw new Error(
          `no line begins within ${this.#format.maxLineBytes} bytes before ${wanted}: give another position`,
        );
      this.#planned.push({ source, start });
    } catch (error) {
      this.#ranges.push(failure(known, (error as Error).message));
    }
  }

  /** `known.position`: there is nothing to be sent once more. */
  async #wantedStart(known: Source | Checkpoint): Promise<number> {
    const { to } = this.#wish;
    if (to.kind === 'beginning') return 0;
    if (to.kind === 'position') return to.position;
    const milestone = this.#store.milestones.lastBefore(known, to.timeMs);
    if (milestone) return Math.min(milestone.position, known.position);
    // It was not known then: if it has not changed since, all of it is older.
    const { mtimeMs } = await this.#statOf(known);
    return Number(mtimeMs) < to.timeMs ? known.position : 0;
  }

  async #statOf(known: Source | Checkpoint) {
    if (isSource(known)) return fstat((await this.#opened(known)).fd);
    await requireFile(known);
    return stat(known.path, { bigint: true });
  }

  async #opened(known: Source | Checkpoint): Promise<Source> {
    const { sources } = this.#collector;
    const source = isSource(known) ? known : await sources.reopen(known);
    if (!source) throw new Error('another file is at its path');
    if (!(await sources.open(source))) throw new Error(source.errors.last || "it can't be opened now");
    return source;
  }
}

function isSource(known: Source | Checkpoint): known is Source {
  return 'fd' in known;
}

/** Rejects when the file of a complete generation is not where it was. */
async function requireFile(known: Checkpoint): Promise<void> {
  if (known.phase === 'away') throw new Error("it has left the entry's paths");
  const now = await stat(known.path, { bigint: true }).catch(() => undefined);
  if (!now) throw new Error('its file is no longer there');
  if (keyOf(now) !== fileKey(known)) throw new Error('another file is at its path');
}

function rangeOf({ path, generation }: Known, start: number, end: number): RewoundRange {
  return { path, generation, start, end, error: '' };
}

function failure({ path, generation, position }: Known, error: string): RewoundRange {
  return { path, generation, start: position, end: position, error };
}
