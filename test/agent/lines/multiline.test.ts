import assert from 'node:assert/strict';
import { appendFileSync, closeSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Route } from '../../../agent/produce/route.ts';
import { eventually } from '../../support/eventually.ts';
import { testFormat } from '../../support/formats.ts';
import { openSource } from '../../support/open-source.ts';
import { TurnReader } from '../../support/read-lines.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { testBench } from '../../support/test-bench.ts';

const STACK = 'Error: no\n  at a\n  at b\n';
const continuation = { continuation: '^\\s', timeoutMs: 1_000, maxLines: 500 };

function values(reader: TurnReader): string[] {
  return reader.records.map(({ value }) => value.toString());
}

// Catalogue 122: five lines in 0.3 s against a flush of 50 ms (otel log-collection PR #434).
test('a record waits while its file grows, and is sent when it has not grown for the timeout', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  using reader = new TurnReader(file, testFormat({ multiline: continuation }));
  for (const line of STACK.split(/(?<=\n)/)) {
    appendFileSync(file, line);
    reader.nowMs += 999;
    await reader.read();
    assert.deepEqual([values(reader), reader.againInMs], [[], 1_000]);
  }
  appendFileSync(file, '  at half');
  await reader.read();
  reader.nowMs += 1_000;
  await reader.read();
  assert.deepEqual(values(reader), [STACK.trimEnd()], 'the half line stays');
  appendFileSync(file, ' of it\nnext\n');
  await reader.read();
  assert.deepEqual(values(reader).slice(1), ['  at half of it']);
});

// Catalogue 117 (vector test_multi_line_checkpointing): the position stays at the record's first
// line.
test('a multiline record is read from its first line after a kill', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  writeFileSync(file, `one\n${STACK}`);
  using killed = new TurnReader(file, testFormat({ multiline: continuation }));
  await killed.read();
  assert.equal(killed.reader.position, 4);
  using reader = new TurnReader(file, testFormat({ multiline: continuation }), { position: killed.reader.position });
  appendFileSync(file, '  at c\ntwo\n');
  await reader.read();
  assert.deepEqual(values(reader), [`${STACK}  at c`]);
  assert.equal(reader.records[0]?.headers['logfleet.range'], `4-${4 + STACK.length + 7}`);
});

// Catalogue 119: the last record of a rotated file is complete when the file is.
test('the last record of a complete file is complete, terminated or not', async () => {
  await using dir = await tempDir();
  for (const [end, flags] of [
    ['  at c\n', undefined],
    ['  at c', 'unterminated'],
  ] as const) {
    const file = dir.at(`${flags}.log`);
    writeFileSync(file, STACK + end);
    using reader = new TurnReader(file, testFormat({ multiline: continuation }));
    await reader.read({ size: STACK.length + end.length, sealed: true });
    assert.deepEqual(values(reader), [`${STACK}  at c`]);
    assert.equal(reader.records[0]?.headers['logfleet.flags'], flags);
  }
});

test("a source reads again by itself when an open record's timeout is over", async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  writeFileSync(file, STACK);
  let nowMs = 0;
  const sleeps: { ms: number; over: () => void }[] = [];
  const sleep = (ms: number) => new Promise<void>((over) => sleeps.push({ ms, over }));
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, sleep, after: () => () => {} };
  const source = openSource(file, { clock });
  let woken = 0;
  const route = { topic: 't', partition: 0, wake: () => woken++ } as unknown as Route;
  source.assign(route, () => testFormat({ multiline: continuation }));
  const bench = testBench();
  assert.equal((await source.fill(bench)).segment, undefined);
  assert.deepEqual(
    sleeps.map(({ ms }) => ms),
    [1_000],
  );
  const before = woken;
  nowMs = 1_000;
  sleeps[0]?.over();
  await eventually(() => assert.equal(woken, before + 1));
  assert.equal((await source.fill(bench)).segment?.lines, 1);
  closeSync(source.fd);
});
