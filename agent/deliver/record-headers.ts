import { lengthAndBytes, varint } from './varint.ts';

/** What the standard headers say of every line of one source. */
export interface HeaderFacts {
  host: string;
  path: string;
  /** The entry's id, without `entries/`. */
  entry: string;
  generation: string;
}

/**
 * The bytes of a record's headers around its range. `before` holds the headers' count, the static headers and the key of
 * `logfleet.range`; the range's length and digits follow, then `after`.
 */
export interface HeaderTemplate {
  before: Buffer;
  after: Buffer;
}

/** The bits of a record's flags. */
export const recordFlags = { split: 1, truncated: 2, unterminated: 4 } as const;

/** By the flags of a record. */
export type HeaderTemplates = readonly HeaderTemplate[];

const EMPTY = Buffer.alloc(0);

/** The headers of design.md's record contract, made once per source. */
export function standardHeaders(facts: HeaderFacts): HeaderTemplates {
  const fixed = [
    header('host.name', facts.host),
    header('log.file.path', facts.path),
    header('logfleet.entry', facts.entry),
    header('logfleet.generation', facts.generation),
  ];
  const rangeKey = lengthAndBytes('logfleet.range');
  const before = (count: number) => Buffer.concat([varint(count), ...fixed, rangeKey]);
  const plain = { before: before(5), after: EMPTY };
  const names = Object.entries(recordFlags);
  return Array.from({ length: 2 ** names.length }, (_, flags) => {
    const set = names.filter(([, bit]) => flags & bit).map(([name]) => name);
    return set.length === 0 ? plain : { before: before(6), after: header('logfleet.flags', set.join()) };
  });
}

function header(key: string, value: string): Buffer {
  return Buffer.concat([lengthAndBytes(key), lengthAndBytes(value)]);
}
