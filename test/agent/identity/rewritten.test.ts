import assert from 'node:assert/strict';
import { appendFile, rename, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { Source } from '../../../agent/collect/sources/source.ts';
import type { OpenIntent } from '../../../agent/model/segment.ts';
import type { Segment } from '../../../agent/produce/route-source.ts';
import { begun, begunLocally, SourceFixture } from '../../support/source-fixture.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** 40 lines of 45 bytes: more than the head. */
const SAME_HEAD = Array.from({ length: 40 }, (_, at) => `${`head ${at}`.padEnd(44, '.')}\n`).join('');

function linesOf(name: string, count: number): string {
  return Array.from({ length: count }, (_, at) => `${name} ${at}\n`).join('');
}

// No other bytes tell the two apart than those that were read last.
test('a file that is written again with the same head while the agent is down is another generation, however soon before that it was read', async () => {
  await using dir = await tempDir();
  const { on: before, file, source } = await begun(dir, SAME_HEAD);
  await appendFile(file, linesOf('former', 300));
  await before.fileEvent(file);
  await before.deliverOf(source);
  before.kill();
  const content = SAME_HEAD + linesOf('latter', 900);
  await writeFile(file, content);
  const on = new SourceFixture(dir);
  await on.find(file);
  await on.deliver();
  assert.deepEqual(on.lines.get(on.at(file).generation), content.trimEnd().split('\n'));
  assert.deepEqual(on.losses, [
    { ...on.losses[0], generation: source.generation, start: source.position, end: source.position, openEnded: true },
  ]);
  on.close();
});

test('what only an open batch of a killed process shows of a file identifies it, too, and is lost with it', async () => {
  await using dir = await tempDir();
  const { on: before, file, source } = await begun(dir, SAME_HEAD);
  const { position } = source;
  before.state.flush(1);
  await appendFile(file, linesOf('former', 300));
  const intent = openIntent(await continued(before, source));
  before.close();
  await writeFile(file, SAME_HEAD + linesOf('latter', 900));
  const on = new SourceFixture(dir, { intents: [intent] });
  await on.find(file);
  await on.deliver();
  assert.equal(on.lines.get(on.at(file).generation)?.length, 940);
  on.recovery.batches[0]?.onReturned(undefined);
  await on.find(file);
  const { end } = intent.segments[0] ?? {};
  assert.deepEqual(
    on.losses.map(({ generation, start, end }) => [generation, start, end]),
    [[source.generation, position, end]],
  );
  on.close();
});

test('lines that were seen and not read identify a file: another one with the same head is another generation, and they are a loss', async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
  const file = dir.at('a.log');
  await writeFile(file, SAME_HEAD + linesOf('former', 300));
  on.paused = true;
  await on.find(file);
  await on.find(file);
  const [source] = on.sources;
  await writeFile(file, SAME_HEAD + linesOf('latter', 900));
  await on.find(file);
  on.paused = false;
  await on.find(file);
  for (const each of on.sources) each.apply('resumed');
  await on.deliver();
  await on.find(file);
  assert.equal(on.lines.get(on.at(file).generation)?.length, 940);
  assert.deepEqual(
    on.losses.map(({ generation, start, end }) => [generation, start, end]),
    [[source?.generation, 0, SAME_HEAD.length + linesOf('former', 300).length]],
  );
  on.close();
});

for (const [how, write] of [
  ['written again', (file: string, content: string) => writeFile(file, content)],
  [
    'replaced by another file',
    async (file: string, content: string) => {
      await writeFile(`${file}.new`, content);
      await rename(`${file}.new`, file);
    },
  ],
] as const)
  test(`a file that is ${how} during a stop, and has what an earlier read had, is not taken for a copy`, async () => {
    await using dir = await tempDir();
    const { on: before, file, source } = await begun(dir, SAME_HEAD + linesOf('same', 100));
    await appendFile(file, linesOf('former', 600));
    await before.fileEvent(file);
    await before.deliverOf(source);
    before.kill();
    const content = SAME_HEAD + linesOf('same', 100) + linesOf('latter', 60);
    await write(file, content);
    const on = new SourceFixture(dir);
    for (let scan = 0; scan < 3; scan++) {
      await on.find(dir.at('a.log*'));
      await on.deliver();
    }
    assert.deepEqual(on.lines.get(on.at(file).generation), content.trimEnd().split('\n'));
    on.close();
  });

test('later lines follow those of an open batch of a killed process to its partition, whatever the path is now', async () => {
  await using dir = await tempDir();
  const { on: before, file, source } = await begun(dir, 'one\n');
  before.store.put({ ...source.file.checkpoint, topic: '', partition: -1 });
  before.state.flush(1);
  await appendFile(file, 'two\n');
  const intent = { ...openIntent(await continued(before, source)), partition: 3 };
  before.close();
  await rename(file, dir.at('a.log.1'));
  const on = new SourceFixture(dir, { intents: [intent] });
  assert.deepEqual(
    on.store.load('e').map((checkpoint) => on.recovery.withSegments(checkpoint).partition),
    [3],
  );
  on.close();
});

/** Reads what was appended to the file of `source`, as one segment. */
async function continued(on: SourceFixture, source: Source): Promise<Segment> {
  await on.fileEvent(source.path);
  const segment = await on.read(source);
  assert.ok(segment);
  return segment;
}

function openIntent(segment: Segment): OpenIntent {
  const producer = { id: 1n, epoch: 0 };
  const to = { topic: 't', partition: 0, compression: 'none', timestampMs: 0 } as const;
  return { id: 1, ...to, producer, baseSequence: 0, recordCount: segment.lines, segments: [segment] };
}

// A read compared only the bytes before its position, and there were none.
test('a file with half a line that is rewritten is another generation, also if it is read before it is observed', async () => {
  await using dir = await tempDir();
  const { on, file, source } = await begunLocally(dir, 'half a li');
  await writeFile(file, 'another content\n');
  await on.read(source);
  for (let scan = 0; scan < 2; scan++) {
    await on.find(dir.at('*.log'));
    await on.deliver();
  }
  assert.deepEqual(on.allLines, ['another content']);
  on.close();
});
