import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { FormatFacts } from '../../../agent/encode/line-format.ts';
import type { Segment } from '../../../agent/produce/route-source.ts';
import { testFormat } from '../../support/formats.ts';
import { KilledGeneration } from '../../support/killed-generation.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** A generation with `content`, whose first batch was read. The file has grown since. */
async function lifeOf(t: TestContext, facts: Partial<FormatFacts>, [content, growth]: [string, string]) {
  const dir = await tempDir();
  const file = dir.at('a.log');
  writeFileSync(file, content);
  const life = new KilledGeneration(dir, file, testFormat(facts));
  t.after(async () => {
    life[Symbol.dispose]();
    await dir[Symbol.asyncDispose]();
  });
  const [first] = await readOn(life);
  assert.ok(first);
  appendFileSync(file, growth);
  return { life, first };
}

/** The batches that can be read now. */
async function readOn(life: KilledGeneration): Promise<Segment[]> {
  const before = [...life.flying];
  while (await life.read(10_000));
  return life.flying.filter((segment) => !before.includes(segment));
}

async function deliverAll(life: KilledGeneration): Promise<void> {
  await readOn(life);
  for (const segment of life.flying) life.deliver(segment);
}

/**
 * The records that Kafka has if the first batch is returned, the next ones are acknowledged, and
 * the process is killed.
 */
async function recordsWithGap(...given: Parameters<typeof lifeOf>): Promise<string[]> {
  const { life, first } = await lifeOf(...given);
  for (const segment of await readOn(life)) life.deliver(segment);
  life.giveBack(first);
  life.kill({ written: true, isOpen: () => false });
  assert.equal(life.source.position, 0);
  await deliverAll(life);
  return recordsOf(life);
}

function recordsOf({ seen }: KilledGeneration): string[] {
  return seen
    .sort((a, b) => a.start - b.start)
    .map(({ value, start, end, flags }) => `${start}-${end} ${flags} ${JSON.stringify(value)}`);
}

const multiline = { start: '^a', timeoutMs: 1_000, maxLines: 2 };

test('returned lines, not sent again before a kill, end inside a multiline record whose rest is in Kafka', async (t) => {
  assert.deepEqual(await recordsWithGap(t, { multiline }, ['a1\n 2\n 3\n', 'a4\na5\n']), [
    '0-6 split "a1\\n 2"',
    '6-9 split " 3"',
    '9-12  "a4"',
  ]);
});

test('returned lines, not sent again before a kill, end inside a multiline record whose rest was dropped', async (t) => {
  const facts = { multiline, overLong: 'drop', maxLineBytes: 8 } as const;
  assert.deepEqual(await recordsWithGap(t, facts, ['a1\n 2\n 345678901', '\na4\na5\n']), [
    '0-6 split "a1\\n 2"',
    '6-20  "a4"',
  ]);
});

test('the second part of a multiline record follows the first, also when both are returned and resent apart', async (t) => {
  const facts = { multiline, filter: { include: '1' } };
  const { life, first } = await lifeOf(t, facts, ['a1\n 2\n 3\n', 'a1\na5\n']);
  const [second] = await readOn(life);
  assert.ok(second);
  life.giveBack(first);
  life.kill({ written: true, isOpen: () => true });
  const [again] = await readOn(life);
  assert.ok(again);
  life.deliver(again);
  life.giveBack(second);
  life.kill({ written: true, isOpen: () => false });
  assert.equal(life.source.position, 6);
  await deliverAll(life);
  assert.deepEqual(recordsOf(life), ['0-6 split "a1\\n 2"', '6-9 split " 3"', '9-12  "a1"']);
});
