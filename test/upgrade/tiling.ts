import assert from 'node:assert/strict';
import type { ReadRecord } from '../support/topics.ts';

/**
 * Asserts that the records' ranges cover all of a file from `first` on, each byte once, and that
 * their values are its bytes.
 */
export function assertTiles(records: readonly ReadRecord[], file: Buffer, name: string, first = 0): void {
  const parts = records.map((record) => ({ ...rangeOf(record), record }));
  let at = first;
  for (const { start, end, record } of parts.sort((a, b) => a.start - b.start)) {
    assert.equal(start, at, `${name}: ${start}-${end} follows what ends at ${at}`);
    assertBytes(record, file.subarray(start, end), `${name} ${start}-${end}`);
    at = end;
  }
  assert.equal(at, file.length, `${name}: the records end at ${at} of ${file.length}`);
}

function rangeOf({ headers }: ReadRecord): { start: number; end: number } {
  const [start, end] = (headers['logfleet.range'] ?? '').split('-').map(Number);
  assert.ok(start !== undefined && end !== undefined && end > start, `the range ${headers['logfleet.range']}`);
  return { start, end };
}

/**
 * What a filter left out, or a limit cut off, lies at the beginning of the next record's range. A
 * truncated record's range has no line feed.
 */
function assertBytes({ value, headers }: ReadRecord, bytes: Buffer, where: string): void {
  const text = headers['logfleet.flags'] === 'truncated' ? bytes : bytes.subarray(0, -1);
  assert.equal(text.subarray(-value.length).toString('latin1'), value.toString('latin1'), where);
}
