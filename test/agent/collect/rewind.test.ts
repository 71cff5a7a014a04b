import assert from 'node:assert/strict';
import { appendFileSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { test } from 'node:test';
import { Rewind, type RewindTo } from '../../../agent/collect/rewind.ts';
import type { Segment } from '../../../agent/deliver/route.ts';
import { Entry } from '../../../proto/gen/logfleet/v1/entry.ts';
import { withEntryDefaults } from '../../../proto/rules/entry-rules.ts';
import { begun, Ground, HOUR_MS } from '../../support/source-ground.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';

const entry = withEntryDefaults(Entry.create({ name: 'entries/e', uid: 'e' }));
const { signal } = new AbortController();

function rewindOf(on: Ground, to: RewindTo, id = 'r', paths: string[] = []): Rewind {
  return new Rewind({ entry, sources: on.set }, { store: on.store, host: 'h', wish: { id, to, paths } });
}

/** Rewinds; returns each range that is sent once more, or why it is not. */
async function rewound(on: Ground, to: RewindTo, id = 'r', paths: string[] = []) {
  const rewind = rewindOf(on, to, id, paths);
  await rewind.plan(false, signal);
  return rewind.begin(() => '', on.wallMs).map(({ start, end, error }) => (error === '' ? [start, end] : error));
}

const beginning: RewindTo = { kind: 'beginning' };

/** A file that was rotated, and whose end has been told: it is not open any more. */
async function sealedFile(dir: TempDir): Promise<Ground> {
  const { on, file } = await begun(dir, 'one\ntwo\nlast');
  await rename(file, dir.at('a.log.1'));
  writeFileSync(file, 'next\n');
  for (let scan = 0; scan < 4; scan++) {
    await on.find(dir.at('a.log*'));
    await on.deliver();
    on.nowMs += HOUR_MS;
  }
  assert.equal(on.sealed.length, 1);
  assert.equal(on.sources.length, 1);
  return on;
}

test('a complete file that is not open comes once more, whole, over a kill too, is closed again, and nothing is told of it again', async () => {
  await using dir = await tempDir();
  const before = await sealedFile(dir);
  before.lines.clear();
  assert.deepEqual(await rewound(before, beginning, 'r', [dir.at('a.log.*')]), [[0, 12]]);
  before.kill();
  const on = new Ground(dir);
  for (let scan = 0; scan < 3; scan++) {
    await on.find(dir.at('a.log*'));
    await on.deliver();
    on.nowMs += HOUR_MS;
  }
  assert.deepEqual(on.allLines, ['last', 'one', 'two']);
  assert.deepEqual([on.sealed, on.losses, on.sources.length], [[], [], 1]);
  assert.deepEqual([...on.set.complete].length, 1);
  on.close();
});

test('a complete file that grows while it comes once more is read on, and its new end is told', async () => {
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

test('a complete file that grows and is read on before the next scan is told with its new end, too', async () => {
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

for (const when of ['before its file is met', 'later'])
  test(`what a former process had under way, and Kafka does not have as turns out ${when}, comes once, though its file is closed and opened again`, async () => {
    await using dir = await tempDir();
    const before = new Ground(dir);
    writeFileSync(dir.at('a.log'), 'one\ntwo\n');
    await before.find(dir.at('a.log*'));
    const segment = (await before.read(before.at(dir.at('a.log')))) as Segment;
    before.kill();
    const sent = { topic: 't', partition: 0, producer: { id: 1n, epoch: 0 }, baseSequence: 0 };
    const on = new Ground(dir, {
      intents: [{ id: 1, recordCount: 2, timestampMs: 1, compression: 'none', segments: [segment], ...sent }],
    });
    const returned = () => on.former.batches[0]?.onReturned(undefined);
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

test('of complete files those that are gone, or another one by now, are told, and a dry run opens none', async () => {
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
  assert.deepEqual(await rewound(on, beginning, 'r2'), ['its file is no longer there', [0, 5]]);
  // Nothing of it would be sent.
  on.state.flush(on.wallMs);
  assert.deepEqual(await rewound(on, { kind: 'time', timeMs: HOUR_MS }, 'r3'), []);
  on.close();
});

test('a complete file that has left the paths of its entry is told', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, 'one\n');
  await rename(file, dir.at('a.old'));
  for (let scan = 0; scan < 4; scan++) {
    await on.scan([]);
    await on.deliver();
    on.nowMs += HOUR_MS;
  }
  assert.deepEqual([on.sources.length, on.sealed.length], [0, 1]);
  assert.deepEqual(await rewound(on, beginning), ["it has left the entry's paths"]);
  on.close();
});

test('a file that is truncated in the middle of a replay is no loss, and the replay ends', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, 'one\ntwo\n');
  assert.deepEqual(await rewound(on, beginning), [[0, 8]]);
  writeFileSync(file, '');
  await on.scan([file]);
  await on.deliver();
  await on.scan([file]);
  assert.deepEqual([on.losses, on.sealed.length, on.at(file).replays?.now], [[], 1, undefined]);
  on.close();
});

test('a complete file that was written anew while the agent was away ends its replay, which is told', async () => {
  await using dir = await tempDir();
  const before = await sealedFile(dir);
  await rewound(before, beginning, 'r', [dir.at('a.log.1')]);
  before.kill();
  writeFileSync(dir.at('a.log.1'), 'x\n');
  const on = new Ground(dir);
  await on.find(dir.at('a.log*'));
  await on.deliver();
  assert.deepEqual([on.losses, on.allLines], [[], ['x']]);
  assert.match(on.warnings.join(), /a replay ends early.*"replay":"r"/);
  on.close();
});

test('a complete file that is written anew while a rewind looks is not taken for what it was', async () => {
  await using dir = await tempDir();
  const on = await sealedFile(dir);
  const [complete] = on.set.complete;
  assert.ok(complete);
  writeFileSync(dir.at('a.log.1'), 'x\n');
  await on.find(dir.at('a.log*'));
  assert.notEqual(on.at(dir.at('a.log.1')).generation, complete.generation);
  assert.equal(await on.set.reopen(complete), undefined);
  on.close();
});

test('a file with a replay that is not read yet is not closed for others, let go or complete', async () => {
  await using dir = await tempDir();
  const { on, file, source } = await begun(dir, 'one\ntwo\n');
  assert.ok(source.complete);
  await rewound(on, beginning);
  assert.ok(!source.complete);
  unlinkSync(file);
  for (let scan = 0; scan < 3; scan++) {
    await on.scan([]);
    on.nowMs += HOUR_MS;
  }
  assert.deepEqual(on.sources, [source]);
  await on.deliver();
  for (let scan = 0; scan < 3; scan++) {
    await on.scan([]);
    on.nowMs += HOUR_MS;
  }
  assert.deepEqual([on.allLines, on.sources], [['one', 'one', 'two', 'two'], []]);
  on.close();
});

test('a deleted file that is complete but for a replay is no loss when it is given up for its disk space', async () => {
  await using dir = await tempDir();
  const on = new Ground(dir, { pinnedBytesMax: 10 });
  const files = [dir.at('a.log'), dir.at('b.log')];
  for (const file of files) writeFileSync(file, 'one\ntwo\n');
  await on.scan(files);
  await on.deliver();
  await rewound(on, beginning);
  for (const file of files) {
    unlinkSync(file);
    for (let scan = 0; scan < 3; scan++) {
      await on.scan(files.slice(files.indexOf(file) + 1));
      on.nowMs += HOUR_MS;
    }
  }
  assert.deepEqual([on.sources.map(({ path }) => path), on.losses], [[files[1]], []]);
  assert.deepEqual(
    on.sealed.map(({ path, size }) => [path, size]),
    [[files[0], 8]],
  );
  on.close();
});

test('a position means the beginning of its line; one beyond what Kafka has, or too far from the beginning of its line, is refused', async () => {
  await using dir = await tempDir();
  const { on, source } = await begun(dir, `one\ntwo\n${'x'.repeat(3_000_000)}\n`);
  const to = (position: number): RewindTo => ({ kind: 'position', generation: source.generation, position });
  const { position: end } = source;
  assert.deepEqual(await rewound(on, to(5), 'r1'), [[4, end]]);
  assert.deepEqual(await rewound(on, to(8), 'r2'), [[8, end]]);
  assert.deepEqual(await rewound(on, to(end), 'r3'), []);
  assert.match(String(await rewound(on, to(end + 1), 'r4')), /is beyond 3000009, to where Kafka has it/);
  assert.match(String(await rewound(on, to(2_500_000), 'r5')), /no line begins within 262144 bytes before 2500000/);
  assert.deepEqual(await rewound(on, { kind: 'position', generation: 'other', position: 0 }, 'r6'), []);
  for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) await rewound(on, beginning, id);
  assert.match(String(await rewound(on, beginning, 'r7')), /it is sent 8 times already/);
  on.close();
});

test('a time means the position that the generation had then; a file met later is sent whole, unless it was not changed since', async () => {
  await using dir = await tempDir();
  const on = new Ground(dir);
  const [file, late] = [dir.at('a.log'), dir.at('late.log')];
  const minute = (minutes: number) => 1_000_000_000_000 + minutes * 60_000;
  const at = async (minutes: number) => {
    on.wallMs = minute(minutes);
    await on.find(dir.at('*.log'));
    await on.deliver();
    on.state.flush(on.wallMs);
  };
  writeFileSync(file, '');
  await at(0);
  for (const minutes of [10, 20, 30]) {
    appendFileSync(file, 'a line\n');
    await at(minutes);
  }
  writeFileSync(late, 'late\n');
  utimesSync(late, minute(25) / 1000, minute(25) / 1000);
  await at(40);
  const planned = async (minutes: number) => {
    const rewind = rewindOf(on, { kind: 'time', timeMs: minute(minutes) });
    await rewind.plan(true, signal);
    return Object.fromEntries(rewind.ranges.map(({ path, start }) => [path, start]));
  };
  assert.deepEqual(await planned(-1), { [file]: 0, [late]: 0 });
  assert.deepEqual(await planned(9), { [file]: 0, [late]: 0 });
  assert.deepEqual(await planned(10), { [file]: 7, [late]: 0 });
  assert.deepEqual(await planned(24), { [file]: 14, [late]: 0 });
  assert.deepEqual(await planned(26), { [file]: 14 });
  assert.deepEqual(await planned(35), {});
  on.close();
});
