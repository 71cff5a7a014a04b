import assert from 'node:assert/strict';
import { appendFileSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { RewindStart } from '../../../agent/collect/rewind.ts';
import { beginning, rewindOf, rewound, signal } from '../../support/rewinds.ts';
import { begun, HOUR_MS, SourceFixture } from '../../support/source-fixture.ts';
import { tempDir } from '../../support/temp-dir.ts';

test('a file that is truncated in the middle of a replay is no loss, and the replay ends', async () => {
  await using dir = await tempDir();
  const { on, file } = await begun(dir, 'one\ntwo\n');
  assert.deepEqual(await rewound(on, beginning), [[0, 8]]);
  writeFileSync(file, '');
  await on.scan([file]);
  await on.deliver();
  await on.scan([file]);
  assert.deepEqual([on.losses, on.sealed.length, on.at(file).turns.replay], [[], 1, undefined]);
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
  const on = new SourceFixture(dir, { pinnedBytesMax: 10 });
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

test('a position means the beginning of its line; an unacknowledged one, or one too far into a line, is refused', async () => {
  await using dir = await tempDir();
  const { on, source } = await begun(dir, `one\ntwo\n${'x'.repeat(3_000_000)}\n`);
  const to = (position: number): RewindStart => ({ kind: 'position', generation: source.generation, position });
  const { position: end } = source;
  assert.deepEqual(await rewound(on, to(5), 'r1'), [[4, end]]);
  assert.deepEqual(await rewound(on, to(8), 'r2'), [[8, end]]);
  assert.deepEqual(await rewound(on, to(end), 'r3'), []);
  assert.match(String(await rewound(on, to(end + 1), 'r4')), /is beyond the acknowledged position 3000009/);
  assert.match(String(await rewound(on, to(2_500_000), 'r5')), /no line begins within 262144 bytes before 2500000/);
  assert.deepEqual(await rewound(on, { kind: 'position', generation: 'other', position: 0 }, 'r6'), []);
  for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) await rewound(on, beginning, id);
  assert.match(String(await rewound(on, beginning, 'r7')), /it has 8 unfinished replays/);
  on.close();
});

test("a time means the generation's position at that time; a file found later is sent whole if it changed since", async () => {
  await using dir = await tempDir();
  const on = new SourceFixture(dir);
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
