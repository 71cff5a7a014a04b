import assert from 'node:assert/strict';
import { open, readdir, rename, stat, truncate, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { newCheckpoint } from '../../../agent/model/checkpoint.ts';
import { openAgentState } from '../../../agent/state/agent-state.ts';
import { systemClock } from '../../../runtime/clock.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';

function opened(dir: TempDir) {
  const logged: string[] = [];
  const logger = createLogger({ level: 'info', format: 'json', write: (line) => logged.push(line) });
  const options = { stateDir: dir.path, durability: 'process', stateFailure: 'hold', audit: false } as const;
  return { ...openAgentState(options, { clock: systemClock, logger }), logged };
}

/** A state with one position: written and copied at 10, written again at 20, and closed. */
async function begun(dir: TempDir): Promise<void> {
  const { state, store } = opened(dir);
  const checkpoint = newCheckpoint('e', 'g', { path: '/a.log', device: 1n, inode: 2n, birthMs: 0 });
  store.put({ ...checkpoint, position: 10 });
  state.flush(1);
  await state.copy(Date.now());
  store.put({ ...checkpoint, position: 20 });
  state.flush(2);
  state.close();
}

// beats #3537, #4733, #25135, #35893; imfile-bad-state-file.sh; loong TestInvalidCheckpointFile;
// otel #35899, #36840, #49735.
const damages: Record<string, (file: string) => Promise<void>> = {
  'zeroed by a loss of power': async (file) => {
    const { size } = await stat(file);
    await writeFile(file, Buffer.alloc(size));
  },
  'left without a byte': (file) => truncate(file, 0),
  'torn in the middle': async (file) => {
    const { size } = await stat(file);
    await truncate(file, Math.floor(size / 2));
  },
  'something else altogether': (file) =>
    writeFile(file, 'no database, and long enough to be looked at as one'.repeat(20)),
  'damaged in one page': async (file) => {
    const handle = await open(file, 'r+');
    await handle.write(Buffer.alloc(4096, 0xff), 0, 4096, 4096);
    await handle.close();
  },
};

for (const [damage, make] of Object.entries(damages)) {
  test(`a state that is ${damage} is put aside, and its last copy takes over`, async () => {
    await using dir = await tempDir();
    await begun(dir);
    await make(dir.at('checkpoints.db'));
    const { state, store, lost, logged } = opened(dir);
    assert.deepEqual([lost, store.load('e').map(({ position }) => position)], [false, [10]]);
    assert.match(logged.join(), /"level":"error".*the state is damaged: its last copy is used/);
    state.close();
    assert.ok((await readdir(dir.path)).some((name) => name.includes('unreadable')));
  });
}

test('a damaged state without a copy starts empty, and reports that positions are lost', async () => {
  await using dir = await tempDir();
  await writeFile(dir.at('checkpoints.db'), 'no database, and long enough to be looked at as one'.repeat(20));
  const { state, store, lost, logged } = opened(dir);
  assert.deepEqual([lost, store.load('e')], [true, []]);
  assert.match(logged.join(), /all files are read from the beginning/);
  state.close();
});

test('a changed state is copied, at most once a minute', async () => {
  await using dir = await tempDir();
  const { state, store } = opened(dir);
  const write = (position: number) => {
    store.put({ ...newCheckpoint('e', 'g', { path: '/a.log', device: 1n, inode: 2n, birthMs: 0 }), position });
    state.flush(1);
  };
  const copied = async () => (await stat(dir.at('checkpoints.db.copy'))).mtimeMs;
  const nowMs = Date.now();
  write(1);
  await state.copy(nowMs);
  const first = await copied();
  write(2);
  await state.copy(nowMs + 59_000);
  assert.equal(await copied(), first);
  await state.copy(nowMs + 61_000);
  const second = await copied();
  assert.notEqual(second, first);
  await state.copy(nowMs + 200_000);
  assert.equal(await copied(), second);
  state.close();
});

// A kill after the damaged state is moved aside and before the copy is in its place. With an empty
// state, the agent would not read files that `start: end` skips.
test('if a process is killed while it moves a damaged state aside, the next one uses the copy', async () => {
  await using dir = await tempDir();
  await begun(dir);
  await rename(dir.at('checkpoints.db'), dir.at('checkpoints.db.unreadable-1'));
  const { state, store } = opened(dir);
  assert.deepEqual(
    store.load('e').map(({ position }) => position),
    [10],
  );
  state.close();
});

test('positions stay lost, also after a kill, until the existing files are found', async () => {
  await using dir = await tempDir();
  await writeFile(dir.at('checkpoints.db.unreadable-1'), 'put aside by one that was killed then');
  for (const [lost, found] of [
    [true, false],
    [true, true],
    [false, false],
  ]) {
    const next = opened(dir);
    assert.equal(next.lost, lost);
    if (found) next.store.clearLost();
    next.state.flush(1);
    next.state.close();
  }
});
