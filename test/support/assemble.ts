import assert from 'node:assert/strict';
import type { ReadRecord } from './topics.ts';

/** One generation, assembled from its records. */
export interface Assembled {
  path: string;
  /** The file's bytes, as far as they were delivered. */
  bytes: Buffer;
  records: number;
}

/**
 * The oracle: sorts records by generation and range, asserts that the ranges tile without hole or
 * overlap from where reading began, and assembles the bytes. The terminator is what lies between a
 * value's end and its range's end.
 */
export function assemble(records: readonly ReadRecord[]): Map<string, Assembled> {
  const byGeneration = Map.groupBy(records, ({ headers }) => headers['logfleet.generation'] ?? '');
  const result = new Map<string, Assembled>();
  for (const [generation, own] of byGeneration) {
    const sorted = own.map((record) => ({ record, ...rangeOf(record) })).sort((a, b) => a.start - b.start);
    const parts: Buffer[] = [];
    let at = sorted[0]?.start ?? 0;
    for (const { record, start, end } of sorted) {
      assert.equal(start, at, `generation ${generation}: expected a range from ${at}, found ${start}-${end}`);
      parts.push(record.value);
      const terminator = end - start - record.value.length;
      if (terminator === 1) parts.push(Buffer.from('\n'));
      else assert.equal(terminator, 0, `generation ${generation}: ${start}-${end} holds ${record.value.length} bytes`);
      at = end;
    }
    const path = sorted[0]?.record.headers['log.file.path'] ?? '';
    result.set(generation, { path, bytes: Buffer.concat(parts), records: sorted.length });
  }
  return result;
}

export function rangeOf(record: ReadRecord): { start: number; end: number } {
  const match = /^(\d+)-(\d+)$/.exec(record.headers['logfleet.range'] ?? '');
  assert.ok(match, `offset ${record.offset}: no range among ${JSON.stringify(record.headers)}`);
  return { start: Number(match[1]), end: Number(match[2]) };
}
