import type { IHeaders } from 'kafkajs';

/** Bytes `[start, end)` of a file. */
export interface Range {
  start: number;
  end: number;
}

export interface Generation extends Range {
  generation: string;
  host: string;
  path: string;
  /** The bytes between `start` and `end` that no record covers. */
  holes: Range[];
}

/**
 * What a topic's records cover. Each record of logfleet's says in its headers which bytes of which
 * generation it holds: the content of one file from its creation or truncation to its end. Within a
 * generation the ranges tile: each one starts where the previous one ended. So a range that was
 * seen before is a duplicate, and a gap between ranges is a hole.
 */
export class Completeness {
  readonly #generations = new Map<string, { host: string; path: string; covered: Range[] }>();
  readonly counts = { lines: 0, duplicates: 0, replays: 0, foreign: 0 };

  /** Counts a record by its headers. Only a `new` one holds a line that was not seen before. */
  add(headers: IHeaders): 'new' | 'duplicate' | 'replay' | 'foreign' {
    const generation = text(headers, 'logfleet.generation');
    const match = /^(\d+)-(\d+)$/.exec(text(headers, 'logfleet.range'));
    if (generation === '' || !match) return this.#count('foreign', 'foreign');
    // An operator asked for these lines again. They were delivered before.
    if (text(headers, 'logfleet.replay') !== '') return this.#count('replays', 'replay');
    const known = this.#generations.get(generation) ?? {
      host: text(headers, 'host.name'),
      path: text(headers, 'log.file.path'),
      covered: [],
    };
    this.#generations.set(generation, known);
    if (!insert(known.covered, { start: Number(match[1]), end: Number(match[2]) }))
      return this.#count('duplicates', 'duplicate');
    return this.#count('lines', 'new');
  }

  get isComplete(): boolean {
    return this.generations().every(({ holes }) => holes.length === 0);
  }

  generations(): Generation[] {
    return [...this.#generations].map(([generation, { host, path, covered }]) => ({
      ...{ generation, host, path },
      start: covered[0]?.start ?? 0,
      end: covered.at(-1)?.end ?? 0,
      holes: covered.slice(1).map(({ start }, index) => ({ start: (covered[index] as Range).end, end: start })),
    }));
  }

  #count<T>(counter: keyof Completeness['counts'], outcome: T): T {
    this.counts[counter]++;
    return outcome;
  }
}

/**
 * Adds a range to ranges that are sorted and don't touch; false when they cover it already. Ranges
 * mostly come in order, so the search from the end is short, and memory grows with holes only.
 */
function insert(covered: Range[], { start, end }: Range): boolean {
  let at = covered.length;
  while (at > 0 && (covered[at - 1] as Range).start > start) at--;
  const before = covered[at - 1];
  if (before && before.end >= end) return false;
  const after = covered[at];
  const joinsBefore = before !== undefined && before.end >= start;
  const joinsAfter = after !== undefined && after.start <= end;
  if (joinsBefore && joinsAfter) {
    before.end = Math.max(end, after.end);
    covered.splice(at, 1);
  } else if (joinsBefore) before.end = end;
  else if (joinsAfter) after.start = start;
  else covered.splice(at, 0, { start, end });
  return true;
}

function text(headers: IHeaders, name: string): string {
  return headers[name]?.toString() ?? '';
}
