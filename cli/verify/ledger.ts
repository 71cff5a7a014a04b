import { Coverage, type Place, type Range } from './coverage.ts';

/** What is looked at of a record. */
export const HEADER_NAMES = [
  'logfleet.range',
  'logfleet.generation',
  'logfleet.flags',
  'logfleet.replay',
  'logfleet.entry',
  'log.file.path',
] as const;
export type HeaderName = (typeof HEADER_NAMES)[number];

/** A record as far as it is looked at. */
export interface SeenRecord extends Place {
  header(name: HeaderName): string | undefined;
}

/** Bytes of a generation that came more than once. */
export interface Double extends Range {
  generation: string;
  path: string;
  /** The later record. */
  place: Place;
}

/** One generation, as the records tell it. */
export interface Generation {
  id: string;
  entry: string;
  path: string;
  coverage: Coverage;
  /** Of records that were sent once more on demand, by whichever replay. */
  replayed: Coverage | undefined;
  /** The same for each replay, by its id: it has each byte once. */
  replays: Map<string, Coverage> | undefined;
  records: number;
}

/** As many doubles are named; the others are counted. */
const DOUBLES_NAMED_MAX = 10_000;
const RANGE = /^(\d+)-(\d+)$/;

/** What the records of a topic say about the generations of files. */
export class Ledger {
  readonly generations = new Map<string, Generation>();
  readonly doubles: Double[] = [];
  readonly counts = { records: 0, withoutHeaders: 0, replayed: 0, otherEntries: 0, doubles: 0, doubledBytes: 0 };
  readonly #entry: string | undefined;

  /** `entry`: look at its records only. */
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

  /** What the replay with this id had before. */
  #replayed(generation: Generation, id: string, range: Range, place: Place): Coverage {
    this.counts.replayed++;
    generation.replayed ??= new Coverage();
    generation.replayed.add(range, place);
    generation.replays ??= new Map();
    const own = generation.replays.get(id) ?? new Coverage();
    generation.replays.set(id, own);
    return own;
  }

  /** undefined when it is not of the entry asked for. */
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

  #addDouble({ id, path }: Generation, { start, end }: Range, place: Place): void {
    this.counts.doubles++;
    this.counts.doubledBytes += end - start;
    if (this.doubles.length < DOUBLES_NAMED_MAX) this.doubles.push({ generation: id, path, start, end, place });
  }
}

/** The replay that a record is of, by its id; records that only have the flag are of one. */
function replayOf(record: SeenRecord): string | undefined {
  const isFlagged = record.header('logfleet.flags')?.split(',').includes('replay');
  return record.header('logfleet.replay') ?? (isFlagged ? '' : undefined);
}

function rangeOf(text: string | undefined): Range | undefined {
  const match = RANGE.exec(text ?? '');
  return match ? { start: Number(match[1]), end: Number(match[2]) } : undefined;
}
