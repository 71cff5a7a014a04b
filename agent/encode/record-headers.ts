import { lengthAndBytes, varint } from './varint.ts';

/** The values of the standard headers, the same for all lines of a source. */
export interface HeaderFacts {
  host: string;
  path: string;
  /** The entry's id, without `entries/`. */
  entry: string;
  generation: string;
  /** The id of the replay that sends the lines. */
  replay?: string | undefined;
}

/**
 * The bytes of a record's headers around its range. `before` has the number of headers, the static
 * headers and the key of `logfleet.range`. The range's length and digits follow, then `after`.
 */
export interface HeaderTemplate {
  before: Buffer;
  after: Buffer;
}

/** The bits of a record's flags; the keys are the words in the header `logfleet.flags`. */
export const recordFlags = { split: 1, truncated: 2, unterminated: 4 } as const;

const EMPTY = Buffer.alloc(0);

/**
 * The headers of the record contract (docs/record.md) for the lines of one source. A template is
 * made when the first record needs it.
 */
export class StandardHeaders {
  readonly #facts: HeaderFacts;
  readonly #made: HeaderTemplate[] = [];

  constructor(facts: HeaderFacts) {
    this.#facts = facts;
  }

  /** The template for records with these flags. */
  forFlags(flags: number): HeaderTemplate {
    this.#made[flags] ??= createTemplate(this.#facts, flags);
    return this.#made[flags];
  }
}

function createTemplate({ host, path, entry, generation, replay }: HeaderFacts, flags: number): HeaderTemplate {
  const set = Object.keys(recordFlags).filter((name) => flags & recordFlags[name as keyof typeof recordFlags]);
  const own = [
    header('host.name', host),
    header('log.file.path', path),
    header('logfleet.entry', entry),
    header('logfleet.generation', generation),
  ];
  if (replay !== undefined) own.push(header('logfleet.replay', replay));
  const all = replay === undefined ? set : [...set, 'replay'];
  const flagged = all.length === 0 ? EMPTY : header('logfleet.flags', all.join());
  const count = varint(own.length + 1 + Math.sign(flagged.length));
  const range = lengthAndBytes('logfleet.range');
  // The kernel writes nothing after the range, so flags that all lines of a replay have are before
  // it.
  if (set.length === 0) return { before: Buffer.concat([count, ...own, flagged, range]), after: EMPTY };
  return { before: Buffer.concat([count, ...own, range]), after: flagged };
}

function header(key: string, value: string): Buffer {
  return Buffer.concat([lengthAndBytes(key), lengthAndBytes(value)]);
}
