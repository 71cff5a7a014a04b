import assert from 'node:assert/strict';
import type { ReadRecord } from '../support/topics.ts';

/** The range of a record, from its header. */
function rangeOf({ headers }: ReadRecord): [start: number, end: number] {
  const [start, end] = (headers['logfleet.range'] ?? '').split('-').map(Number);
  assert.ok(start !== undefined && end !== undefined && end > start, `the range ${headers['logfleet.range']}`);
  return [start, end];
}

/** Asserts that the ranges of the records cover all of a file, each byte once, and that the values are the file's bytes. */
export function assertTiles(records: readonly ReadRecord[], file: Buffer, name: string): void {
  let at = 0;
  for (const record of [...records].sort((a, b) => rangeOf(a)[0] - rangeOf(b)[0])) {
    const [start, end] = rangeOf(record);
    assert.equal(start, at, `${name}: a record of ${start}-${end} follows one that ends at ${at}`);
    assertBytes(record, file.subarray(start, end), `${name} ${start}-${end}`);
    at = end;
  }
  assert.equal(at, file.length, `${name}: the records end at ${at} of ${file.length}`);
}

/**
 * A filter leaves records out, whose bytes lie at the beginning of the next record's range. A truncated record is the
 * beginning of its range.
 */
function assertBytes({ value, headers }: ReadRecord, bytes: Buffer, where: string): void {
  const line = bytes.subarray(0, -1);
  const part =
    headers['logfleet.flags'] === 'truncated' ? line.subarray(0, value.length) : line.subarray(-value.length);
  assert.equal(part.toString('latin1'), value.toString('latin1'), where);
}
