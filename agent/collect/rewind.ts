import { stat } from 'node:fs/promises';
import { rethrowDefect } from '../../runtime/errors.ts';
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

/** The most unfinished replays of one generation. */
const REPLAYS_MAX = 8;

/** Where a rewind starts. Times are by this agent's clock. */
export type RewindStart =
  | { kind: 'beginning' }
  | { kind: 'position'; generation: string; position: number }
  | { kind: 'time'; timeMs: number };

export interface RewindRequest {
  id: string;
  start: RewindStart;
  /** Globs. None: all files. */
  paths: readonly string[];
}

/** The outcome for one generation: `[start, end)` is sent again, or can't be because of `error`. */
export interface RewoundRange {
  path: string;
  generation: string;
  start: number;
  end: number;
  error: string;
}

type KnownGeneration = Pick<Checkpoint, 'generation' | 'path' | 'position'>;

interface PlannedReplay {
  source: Source;
  start: number;
}

/**
 * Sends lines of one entry to Kafka again. `plan` finds where each generation starts; `begin`
 * stores all replays in one transaction.
 */
export class Rewind {
  readonly #collector: Pick<EntryCollector, 'entry' | 'sources'>;
  readonly #store: CheckpointStore;
  readonly #request: RewindRequest;
  readonly #format: SharedFormat;
  readonly #marked: boolean;
  readonly #plannedReplays: PlannedReplay[] = [];
  readonly #ranges: RewoundRange[] = [];

  constructor(
    collector: Pick<EntryCollector, 'entry' | 'sources'>,
    { store, host, request }: { store: CheckpointStore; host: string; request: RewindRequest },
  ) {
    this.#collector = collector;
    this.#store = store;
    this.#request = request;
    const facts = formatFacts(collector.entry, host);
    this.#format = sharedFormat(facts);
    this.#marked = facts.headers !== 'none';
  }

  /** Finds where each generation starts. `dry`: files of complete generations are not opened. */
  async plan(dry: boolean, signal: AbortSignal): Promise<void> {
    const { sources } = this.#collector;
    const slices = new Slices();
    const isSelected = this.#matcher();
    for (const known of [...sources, ...sources.completed]) {
      if (slices.isOver) await slices.startNext();
      signal.throwIfAborted();
      if (isSelected(known)) await this.#planOne(known, dry);
    }
  }

  /** What `begin` would send. */
  get ranges(): RewoundRange[] {
    const planned = this.#plannedReplays.filter(({ source, start }) => start < source.position);
    return [...this.#ranges, ...planned.map(({ source, start }) => rangeOf(source, start, source.position))];
  }

  /**
   * Begins all replays, or none. `responseFor` makes the response that is stored with them. Throws
   * StateError if they can't be stored.
   */
  begin(responseFor: (ranges: readonly RewoundRange[]) => string, nowMs: number): RewoundRange[] {
    const { replays } = this.#store;
    const { id } = this.#request;
    const gone = this.#plannedReplays.filter(({ source }) => source.isClosed);
    const begun = this.#plannedReplays.filter(({ source, start }) => !source.isClosed && start < source.position);
    const failed = gone.map(({ source }) =>
      failure(source, 'its file was closed meanwhile: try again with another replay id'),
    );
    const ranges = begun.map(({ source, start }) => rangeOf(source, start, source.position));
    const all = [...this.#ranges, ...failed, ...ranges];
    const { uid: entryUid } = this.#collector.entry;
    const asked = begun.map(({ source, start }): ReplayRange => {
      const { position, lineState } = source.file.checkpoint;
      const { generation } = source;
      return { id, entryUid, generation, start, end: position, endState: lineState, isMarked: this.#marked };
    });
    replays.begin({ entryUid, id, response: responseFor(all) }, asked, nowMs);
    for (const { source } of begun) {
      const replay = replays.forGeneration(source.generation).at(-1);
      if (replay) source.turns.beginReplay(replay, replays, { open: [], returned: [] });
      source.wake();
    }
    return all;
  }

  #matcher(): (known: KnownGeneration) => boolean {
    const { start, paths } = this.#request;
    if (start.kind === 'position') return ({ generation }) => generation === start.generation;
    if (paths.length === 0) return () => true;
    const globs = new Discovery({ paths: [...paths], exclude: [] });
    return ({ path }) => globs.matches(path);
  }

  async #planOne(known: Source | Checkpoint, dry: boolean): Promise<void> {
    try {
      const wanted = await this.#requestedStart(known);
      if (this.#request.start.kind === 'position' && wanted > known.position)
        throw new Error(
          `position ${wanted} is beyond the acknowledged position ${known.position}: give one at or before it`,
        );
      if (wanted >= known.position) return;
      if (!isSource(known)) await requireFile(known);
      if (this.#store.replays.forGeneration(known.generation).length >= REPLAYS_MAX)
        throw new Error(`it has ${REPLAYS_MAX} unfinished replays: wait until one is done`);
      if (!isSource(known) && dry) {
        this.#ranges.push(rangeOf(known, wanted, known.position));
        return;
      }
      const source = await this.#openSource(known);
      const start = await lineStartAt(source.fd, wanted, this.#format);
      if (start === undefined)
        throw new Error(
          `no line begins within ${this.#format.maxLineBytes} bytes before ${wanted}: give another position`,
        );
      this.#plannedReplays.push({ source, start });
    } catch (error) {
      rethrowDefect(error);
      this.#ranges.push(failure(known, (error as Error).message));
    }
  }

  /** The position from which to send; `known.position` if there is nothing to send. */
  async #requestedStart(known: Source | Checkpoint): Promise<number> {
    const { start } = this.#request;
    if (start.kind === 'beginning') return 0;
    if (start.kind === 'position') return start.position;
    const milestone = this.#store.milestones.lastBefore(isSource(known) ? known.file : known, start.timeMs);
    if (milestone) return Math.min(milestone.position, known.position);
    // The file was unknown at that time. If it has not changed since, all of it is older.
    const { mtimeMs } = await this.#statOf(known);
    return Number(mtimeMs) < start.timeMs ? known.position : 0;
  }

  async #statOf(known: Source | Checkpoint) {
    if (isSource(known)) return fstat((await this.#openSource(known)).fd);
    await requireFile(known);
    return stat(known.path, { bigint: true });
  }

  async #openSource(known: Source | Checkpoint): Promise<Source> {
    const { sources } = this.#collector;
    const source = isSource(known) ? known : await sources.reopen(known);
    if (!source) throw new Error('another file is at its path');
    if (!(await sources.openFile(source))) throw new Error(source.errors.current || 'it cannot be opened now');
    return source;
  }
}

function isSource(known: Source | Checkpoint): known is Source {
  return 'fd' in known;
}

/** Rejects unless the file of a complete generation is still at its path. */
async function requireFile(known: Checkpoint): Promise<void> {
  if (known.phase === 'away') throw new Error("it is no longer at one of the entry's paths");
  const now = await stat(known.path, { bigint: true }).catch(() => undefined);
  if (!now) throw new Error('its file was deleted or moved');
  if (keyOf(now) !== fileKey(known)) throw new Error('another file is at its path');
}

function rangeOf({ path, generation }: KnownGeneration, start: number, end: number): RewoundRange {
  return { path, generation, start, end, error: '' };
}

function failure({ path, generation, position }: KnownGeneration, error: string): RewoundRange {
  return { path, generation, start: position, end: position, error };
}
