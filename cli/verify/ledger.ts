import { Coverage, type Range, type RecordPosition } from './coverage.ts';

/** The headers that are read. */
export const HEADER_NAMES = [
  'logfleet.range',
  'logfleet.generation',
  'logfleet.flags',
  'logfleet.replay',
  'logfleet.entry',
  'log.file.path',
] as const;
export type HeaderName = (typeof HEADER_NAMES)[number];

/** A record without its value. */
export interface SeenRecord extends RecordPosition {
  header(name: HeaderName): string | undefined;
}

/** Bytes of a generation that more than one record has. */
export interface DuplicateRange extends Range {
  generation: string;
  path: string;
  /** The later record. */
  place: RecordPosition;
}

/** The records of one generation. */
export interface Generation {
  id: string;
  entry: string;
  path: string;
  coverage: Coverage;
  /** The bytes that any replay has sent. */
  replayed: Coverage | undefined;
  /** The bytes that each replay has sent, by its id. A replay sends each byte once. */
  replays: Map<string, Coverage> | undefined;
  records: number;
}

/** Further duplicates are only counted. */
const DUPLICATES_KEPT_MAX = 10_000;
const RANGE = /^(\d+)-(\d+)$/;

/** Collects from records which bytes of each generation are in Kafka. */
export class Ledger {
  readonly generations = new Map<string, Generation>();
  readonly doubles: DuplicateRange[] = [];
  readonly counts = { records: 0, withoutHeaders: 0, replayed: 0, otherEntries: 0, doubles: 0, doubledBytes: 0 };
  readonly #entry: string | undefined;

  /** With `entry`, records of other entries are only counted. */
  constructor(entry: string | undefined) {
    this.#entry = entry;
  }

  add(record: SeenRecord): void {
    this.counts.records++;
    const range = rangeOf(record.header('logfleet.range'));
    const id = record.header('logfleet.generation');
    if (!range || id === undefined) {
      this.counts.withoutHeaders++;
      return;
    }
    const generation = this.generations.get(id) ?? this.#begin(id, record);
    if (!generation) return;
    generation.records++;
    const { topic, partition, offset } = record;
    const place = { topic, partition, offset };
    const replay = replayOf(record);
    const coverage = replay === undefined ? generation.coverage : this.#replayed(generation, replay, range, place);
    for (const double of coverage.add(range, place)) this.#addDouble(generation, double, place);
  }

  /** The coverage of the replay with this id. */
  #replayed(generation: Generation, id: string, range: Range, place: RecordPosition): Coverage {
    this.counts.replayed++;
    generation.replayed ??= new Coverage();
    generation.replayed.add(range, place);
    generation.replays ??= new Map();
    const own = generation.replays.get(id) ?? new Coverage();
    generation.replays.set(id, own);
    return own;
  }

  /** Returns undefined for a record of another entry. */
  #begin(id: string, record: SeenRecord): Generation | undefined {
    const entry = record.header('logfleet.entry') ?? '';
    if (this.#entry !== undefined && entry !== this.#entry) {
      this.counts.otherEntries++;
      return undefined;
    }
    const path = record.header('log.file.path') ?? '';
    const generation = {
      id,
      entry,
      path,
      coverage: new Coverage(),
      replayed: undefined,
      replays: undefined,
      records: 0,
    };
    this.generations.set(id, generation);
    return generation;
  }

  #addDouble({ id, path }: Generation, { start, end }: Range, place: RecordPosition): void {
    this.counts.doubles++;
    this.counts.doubledBytes += end - start;
    if (this.doubles.length < DUPLICATES_KEPT_MAX) this.doubles.push({ generation: id, path, start, end, place });
  }
}

/** The id of the record's replay. Records with the flag but no id belong to one replay, ''. */
function replayOf(record: SeenRecord): string | undefined {
  const isFlagged = record.header('logfleet.flags')?.split(',').includes('replay');
  return record.header('logfleet.replay') ?? (isFlagged ? '' : undefined);
}

function rangeOf(text: string | undefined): Range | undefined {
  const match = RANGE.exec(text ?? '');
  return match ? { start: Number(match[1]), end: Number(match[2]) } : undefined;
}
