import assert from 'node:assert/strict';
import { appendFileSync, closeSync } from 'node:fs';
import { test } from 'node:test';
import { EntryTaps } from '../../../../agent/collect/read/entry-taps.ts';
import type { RateLimits } from '../../../../agent/collect/read/rate-limit.ts';
import type { Source } from '../../../../agent/collect/sources/source.ts';
import type { Route } from '../../../../agent/produce/route.ts';
import type { Segment } from '../../../../agent/produce/route-source.ts';
import { systemClock } from '../../../../runtime/clock.ts';
import { testFormat } from '../../../support/formats.ts';
import { type OpenSourceOptions, openSource } from '../../../support/open-source.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { testBench } from '../../../support/test-bench.ts';

const nowhere = { topic: 't', partition: 0, wake: () => {} } as unknown as Route;
const LINE_BYTES = 100;
const LINES = 6;

/** A source of a file of LINES lines, and what reads from it one line a turn. */
function sourceOf(file: string, options: OpenSourceOptions = {}) {
  appendFileSync(file, `${'x'.repeat(LINE_BYTES - 1)}\n`.repeat(LINES));
  const source = openSource(file, options);
  source.assign(nowhere, () => testFormat());
  const bench = testBench();
  const turn = async (): Promise<Segment | undefined> => {
    // Room for one line: the first always has it.
    bench.records.reset(1);
    return (await source.fill(bench)).segment;
  };
  return { source, turn };
}

test('ranges that are returned while another is read again are all read again, in order', async () => {
  await using dir = await tempDir();
  const { source, turn } = sourceOf(dir.at('a.log'));
  const segments: Segment[] = [];
  for (let line = 0; line < LINES; line++) segments.push((await turn()) as Segment);
  source.returned(segments[4] as Segment);
  const reading = turn();
  for (const line of [2, 0]) source.returned(segments[line] as Segment);
  source.acknowledged((await reading) as Segment);
  for (const line of [1, 3, 5]) source.acknowledged(segments[line] as Segment);
  const again: number[] = [];
  for (let segment = await turn(); segment; segment = await turn()) {
    again.push(segment.start / LINE_BYTES);
    source.acknowledged(segment);
  }
  assert.deepEqual(again, [0, 2]);
  assert.equal(source.position, LINES * LINE_BYTES);
  assert.ok(source.complete);
  closeSync(source.fd);
});

test('lines that are returned with all lines after them are read by the rules that apply then', async () => {
  await using dir = await tempDir();
  const { source, turn } = sourceOf(dir.at('a.log'));
  const segments: Segment[] = [];
  for (let line = 0; line < LINES; line++) segments.push((await turn()) as Segment);
  for (const segment of segments.slice(0, 2)) source.acknowledged(segment);
  assert.ok(!source.drained);
  for (const segment of segments.slice(2)) source.returned(segment);
  assert.ok(!source.drained, 'the returned lines are not sent yet');
  source.assign(nowhere, () => testFormat({ filter: { include: '', exclude: 'x' } }));
  assert.equal(await turn(), undefined);
  assert.ok(source.complete, 'the new filter excludes the rest');
  closeSync(source.fd);
});

test('returned lines that are read again count for no rate limit, and no tap shows them again', async () => {
  await using dir = await tempDir();
  let consumed = 0;
  const count = (bytes: number) => {
    consumed += bytes;
  };
  const limits = { room: () => 1_000_000, consumed: count, isWaiting: () => false } as unknown as RateLimits;
  const taps = new EntryTaps();
  let tapped = 0;
  taps.add((_source, { lines }) => (tapped += lines));
  const { source, turn } = sourceOf(dir.at('a.log'), { limits, taps });
  for (let round = 0; round < 3; round++) {
    const segments: Segment[] = [];
    for (let line = 0; line < LINES; line++) segments.push((await turn()) as Segment);
    for (const segment of segments) source.returned(segment);
  }
  assert.deepEqual([consumed, tapped], [LINES * LINE_BYTES, LINES]);
  closeSync(source.fd);
});

test('a preallocated file in which nothing is written yet is looked at once in each interval', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  appendFileSync(file, Buffer.alloc(1024 * 1024));
  const waitsMs: number[] = [];
  const clock = { ...systemClock, sleep: (ms: number) => new Promise<void>(() => waitsMs.push(ms)) };
  const work: Promise<unknown>[] = [];
  const begin = (start: () => Promise<unknown>) => work.length < 100 && work.push(start());
  const bench = testBench();
  const route = { topic: 't', partition: 0, wake: (one: Source) => begin(() => one.fill(bench)) } as unknown as Route;
  const source = openSource(file, { size: 0, clock, observer: { fileNeeded: (one) => begin(() => one.observe(0)) } });
  source.assign(route, () => testFormat());
  source.wake();
  for (const each of work) await each;
  const { length } = work;
  // As after the interval: what was unwritten may be written now.
  source.resume();
  for (const each of work) await each;
  assert.deepEqual([work.length - length, waitsMs.length, source.size], [2, 1, 0]);
  closeSync(source.fd);
});
