import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { recordLosses } from '../../../agent/collect/read/segment-losses.ts';
import type { Loss } from '../../../agent/model/fact.ts';
import { testFormat } from '../../support/formats.ts';
import { TurnReader } from '../../support/read-lines.ts';
import { tempDir } from '../../support/temp-dir.ts';

test('a line that the filter kept is sent in parts if it is too large for the topic, even if its first part does not match', async () => {
  await using dir = await tempDir();
  const line = `${'x'.repeat(3_000)}ERROR${'y'.repeat(3_000)}`;
  writeFileSync(dir.at('a.log'), `${line}\nnothing\n`);
  using reader = new TurnReader(dir.at('a.log'), testFormat({ maxLineBytes: 100_000, filter: { include: 'ERROR' } }));
  const [first] = await reader.read();
  assert.equal(first?.segment.lines, 1);
  reader.segments.length = 0;
  reader.reader.returned.add((first as NonNullable<typeof first>).segment);
  reader.lineBytesMax = 2_048;
  await reader.read();
  assert.equal(reader.records.map(({ value }) => value.toString()).join(''), line);
});

test('if an excluded line is sent in parts because it is too large for the topic, the next ranges tile with them', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  writeFileSync(file, `one\n${'x'.repeat(6_000)}DEBUG\n`);
  using reader = new TurnReader(file, testFormat({ maxLineBytes: 100_000, filter: { exclude: 'DEBUG' } }));
  await reader.read();
  appendFileSync(file, 'two\n');
  await reader.read();
  assert.deepEqual(rangesOf(reader), ['0-4', '4-6014']);
  for (const { segment } of reader.segments.splice(0)) reader.reader.returned.add(segment);
  appendFileSync(file, 'three\n');
  reader.lineBytesMax = 2_048;
  await reader.read();
  assert.deepEqual(rangesOf(reader), ['0-4', '4-2052', '2052-4100', '4100-6010', '6010-6014', '6014-6020']);
});

test('if the last excluded lines are sent in parts, the first new record begins after them', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  writeFileSync(file, `one\n${'x'.repeat(2_043)}DEBUG\n`);
  using reader = new TurnReader(file, testFormat({ maxLineBytes: 100_000, filter: { exclude: 'DEBUG' } }));
  await reader.read();
  for (const { segment } of reader.segments.splice(0)) reader.reader.returned.add(segment);
  appendFileSync(file, 'two\n');
  reader.lineBytesMax = 2_040;
  await reader.read();
  assert.deepEqual(rangesOf(reader), ['0-4', '4-2044', '2044-2053', '2053-2057']);
});

test("the loss of a line that the topic refuses has the line's bytes, without excluded lines", async () => {
  await using dir = await tempDir();
  const before = 'not wanted\n'.repeat(5);
  const after = 'nor this\n'.repeat(7);
  writeFileSync(dir.at('a.log'), `${before}ERROR\n${after}`);
  using reader = new TurnReader(dir.at('a.log'), testFormat({ filter: { include: 'ERROR' } }));
  const [read] = await reader.read();
  const losses: Loss[] = [];
  const facts = { loss: (loss: Loss) => losses.push(loss), sealed: () => {}, begun: () => {} };
  const segment = {
    ...(read as NonNullable<typeof read>).segment,
    generation: 'g',
    lines: 0,
    isRefused: true,
  } as const;
  recordLosses(facts, { entryUid: 'e', generation: 'g', path: '/a.log' }, segment);
  assert.deepEqual(
    losses.map(({ start, end, bytes, reason }) => [start, end, bytes, reason]),
    [[0, before.length + 6, 6, 'too-large']],
  );
});

function rangesOf({ records }: TurnReader): unknown[] {
  return records.map(({ headers }) => headers['logfleet.range']);
}
