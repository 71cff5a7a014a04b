import assert from 'node:assert/strict';
import { appendFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { test } from 'node:test';
import type { Segment } from '../../../agent/produce/route-source.ts';
import { beginning, rewindOf, rewound, sealedFile, signal } from '../../support/rewinds.ts';
import { begun, HOUR_MS, SourceFixture } from '../../support/source-fixture.ts';
import { tempDir } from '../../support/temp-dir.ts';

test('a complete, closed file is replayed whole, also across a kill; it is closed again and nothing is reported twice', async () => {
  await using dir = await tempDir();
  const before = await sealedFile(dir);
  before.lines.clear();
  assert.deepEqual(await rewound(before, beginning, 'r', [dir.at('a.log.*')]), [[0, 12]]);
  before.kill();
  const on = new SourceFixture(dir);
  for (let scan = 0; scan < 3; scan++) {
    await on.find(dir.at('a.log*'));
    await on.deliver();
    on.nowMs += HOUR_MS;
  }
  assert.deepEqual(on.allLines, ['last', 'one', 'two']);
  assert.deepEqual([on.sealed, on.losses, on.sources.length], [[], [], 1]);
  assert.deepEqual([...on.set.completed].length, 1);
  on.close();
});

test('a complete file that grows during its replay is read further, and its new end is reported', async () => {
  await using dir = await tempDir();
  const on = await sealedFile(dir);
  on.lines.clear();
  assert.deepEqual(await rewound(on, beginning, 'r', [dir.at('a.log.1')]), [[0, 12]]);
  appendFileSync(dir.at('a.log.1'), ' more\n');
  for (let scan = 0; scan < 4; scan++) {
    await on.find(dir.at('a.log*'));
    await on.deliver();
    on.nowMs += HOUR_MS;
  }
  assert.deepEqual(on.allLines, [' more', 'last', 'one', 'two']);
  assert.deepEqual(
    on.sealed.map(({ size }) => size),
    [12, 18],
  );
  on.close();
});

test('a complete file that grows and is read before the next scan is reported with its new end, too', async () => {
  await using dir = await tempDir();
  const on = await sealedFile(dir);
  await rewound(on, beginning, 'r', [dir.at('a.log.1')]);
  appendFileSync(dir.at('a.log.1'), ' more\n');
  for (let scan = 0; scan < 4; scan++) {
    await on.deliver();
    await on.find(dir.at('a.log*'));
    on.nowMs += HOUR_MS;
  }
  assert.deepEqual(
    on.sealed.map(({ size }) => size),
    [12, 18],
  );
  on.close();
});

for (const when of ['before its file is found', 'later'])
  test(`a batch of a previous process that Kafka turns out not to have ${when} arrives once, though its file is closed and reopened`, async () => {
    await using dir = await tempDir();
    const before = new SourceFixture(dir);
    writeFileSync(dir.at('a.log'), 'one\ntwo\n');
    await before.find(dir.at('a.log*'));
    const segment = (await before.read(before.at(dir.at('a.log')))) as Segment;
    before.kill();
    const sent = { topic: 't', partition: 0, producer: { id: 1n, epoch: 0 }, baseSequence: 0 };
    const on = new SourceFixture(dir, {
      intents: [{ id: 1, recordCount: 2, timestampMs: 1, compression: 'none', segments: [segment], ...sent }],
    });
    const returned = () => on.recovery.batches[0]?.onReturned(undefined);
    if (when === 'later') await on.find(dir.at('a.log*'));
    returned();
    await on.find(dir.at('a.log*'));
    await on.deliver();
    await rename(dir.at('a.log'), dir.at('a.log.1'));
    writeFileSync(dir.at('a.log'), '');
    for (let scan = 0; scan < 4; scan++) {
      await on.find(dir.at('a.log*'));
      on.nowMs += HOUR_MS;
    }
    assert.deepEqual([on.sealed.length, on.sources.length, on.allLines], [1, 1, ['one', 'two']]);
    on.lines.clear();
    assert.deepEqual(await rewound(on, beginning, 'r', [dir.at('a.log.1')]), [[0, 8]]);
    await on.deliver();
    assert.deepEqual(on.allLines, ['one', 'two']);
    on.close();
  });

test('complete files that were deleted or replaced are reported, and a dry run opens none', async () => {
  await using dir = await tempDir();
  const on = await sealedFile(dir);
  const dry = rewindOf(on, beginning);
  await dry.plan(true, signal);
  assert.deepEqual(
    dry.ranges.map(({ path, start, end }) => [path, start, end]),
    [
      [dir.at('a.log.1'), 0, 12],
      [dir.at('a.log'), 0, 5],
    ],
  );
  assert.equal(on.sources.length, 1);
  writeFileSync(dir.at('other'), 'x\n');
  await rename(dir.at('other'), dir.at('a.log.1'));
  assert.deepEqual(await rewound(on, beginning, 'r1'), ['another file is at its path', [0, 5]]);
  unlinkSync(dir.at('a.log.1'));
  assert.deepEqual(await rewound(on, beginning, 'r2'), ['its file was deleted or moved', [0, 5]]);
  // Nothing of it would be sent.
  on.state.flush(on.wallMs);
  assert.deepEqual(await rewound(on, { kind: 'time', timeMs: HOUR_MS }, 'r3'), []);
  on.close();
});

test("a complete file that left its entry's paths is reported", async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, 'one\n');
  await rename(file, dir.at('a.old'));
  for (let scan = 0; scan < 4; scan++) {
    await on.scan([]);
    await on.deliver();
    on.nowMs += HOUR_MS;
  }
  assert.deepEqual([on.sources.length, on.sealed.length], [0, 1]);
  assert.deepEqual(await rewound(on, beginning), ["it is no longer at one of the entry's paths"]);
  on.close();
});

test('a complete file that was rewritten while the agent was stopped ends its replay, which is reported', async () => {
  await using dir = await tempDir();
  const before = await sealedFile(dir);
  await rewound(before, beginning, 'r', [dir.at('a.log.1')]);
  before.kill();
  writeFileSync(dir.at('a.log.1'), 'x\n');
  const on = new SourceFixture(dir);
  await on.find(dir.at('a.log*'));
  await on.deliver();
  assert.deepEqual([on.losses, on.allLines], [[], ['x']]);
  assert.match(on.warnings.join(), /replay ends early.*"replay":"r"/);
  on.close();
});

test('a complete file that is rewritten while a rewind is planned is not mistaken for its previous content', async () => {
  await using dir = await tempDir();
  const on = await sealedFile(dir);
  const [complete] = on.set.completed;
  assert.ok(complete);
  writeFileSync(dir.at('a.log.1'), 'x\n');
  await on.find(dir.at('a.log*'));
  assert.notEqual(on.at(dir.at('a.log.1')).generation, complete.generation);
  assert.equal(await on.set.reopen(complete), undefined);
  on.close();
});
