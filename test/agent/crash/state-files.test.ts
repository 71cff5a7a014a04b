import assert from 'node:assert/strict';
import { copyFile, readFile, truncate, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { newCheckpoint } from '../../../agent/model/checkpoint.ts';
import { openAgentState } from '../../../agent/state/agent-state.ts';
import { StateDatabase } from '../../../agent/state/state-database.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { tempDir } from '../../support/temp-dir.ts';

const MINUTE_MS = 60_000;
const clock = { nowMs: () => 0, monotonicMs: () => 0, sleep: async () => {}, after: () => () => {} };

function opened(stateDir: string) {
  const logged: string[] = [];
  const logger = createLogger({ level: 'info', format: 'json', write: (line) => logged.push(line) });
  const options = { stateDir, durability: 'process', stateFailure: 'hold', audit: false } as const;
  const parts = openAgentState(options, { clock, logger });
  const reach = (position: number) => {
    parts.store.put({ ...newCheckpoint('e', 'g', { path: '/a.log', device: 1n, inode: 2n, birthMs: 0 }), position });
    parts.state.flush(position);
  };
  const positions = () => parts.store.load('e').map(({ position }) => position);
  return { ...parts, logged, reach, positions };
}

// Catalogue 75: the disk has the log of writes up to some byte (beats #3537, #25135; otel #35899,
// #49735).
test('whatever is torn off the end of the write-ahead log, the state is an earlier state, and a whole one', async () => {
  await using dir = await tempDir();
  const first = opened(dir.at('state'));
  for (let position = 1; position <= 20; position++) first.reach(position);
  const wal = await readFile(dir.at('state', 'checkpoints.db-wal'));
  await copyFile(dir.at('state', 'checkpoints.db'), dir.at('image'));
  first.state.close();
  let before = 0;
  for (const part of [0, 0.3, 0.6, 0.9, 0.99, 1]) {
    const stateDir = dir.at(`torn-${part}`);
    opened(stateDir).state.close();
    await copyFile(dir.at('image'), `${stateDir}/checkpoints.db`);
    await writeFile(`${stateDir}/checkpoints.db-wal`, wal);
    await truncate(`${stateDir}/checkpoints.db-wal`, Math.floor(wal.length * part));
    const { positions, lost, state } = opened(stateDir);
    const [found = 0] = positions();
    assert.ok(found >= before && found <= 20, `${part}: ${found} after ${before}`);
    if (part === 1) assert.equal(found, 20);
    assert.equal(lost, false);
    before = found;
    state.close();
  }
});

// Catalogue 74 (vector's two-phase write, beats #19634): what was being written is no copy yet.
test('of a finished copy and an unfinished one, the finished one is used', async () => {
  await using dir = await tempDir();
  const first = opened(dir.path);
  first.reach(10);
  await first.state.copy(MINUTE_MS);
  first.reach(20);
  first.state.close();
  await writeFile(dir.at('checkpoints.db.copy.new'), 'half of a cop');
  await truncate(dir.at('checkpoints.db'), 5_000);
  const { positions, state, logged } = opened(dir.path);
  assert.deepEqual(positions(), [10]);
  assert.match(logged.join(), /its last copy is used; lines sent since then may arrive twice/);
  await state.copy(2 * MINUTE_MS);
  state.close();
  await truncate(dir.at('checkpoints.db'), 5_000);
  const again = opened(dir.path);
  assert.deepEqual(again.positions(), [10], 'the half copy was no obstacle to the next one');
  again.state.close();
});

// Catalogue 115 ([R]): a container is replaced by another with the same volume, or a volume is
// cloned; from within that is the same.
test('a state from another machine keeps its positions, and its producer ids are not used to send', async () => {
  await using dir = await tempDir();
  const topic = { topic: 't', partition: 0, clusterId: 'c', topicId: 'i' };
  const first = opened(dir.path);
  first.reach(10);
  first.intents.startProducer({
    ...topic,
    producer: { id: 7n, epoch: 0 },
    nextSequence: 3,
    lastOffset: 2n,
    usable: true,
  });
  first.state.flush(1);
  first.state.db.exec("UPDATE meta SET value = 'another' WHERE key = 'machine'");
  first.state.close();
  const { positions, intents, logged, state } = opened(dir.path);
  assert.deepEqual(positions(), [10]);
  assert.deepEqual([intents.producer('t', 0)?.producer.id, intents.producer('t', 0)?.usable], [7n, false]);
  assert.match(logged.join(), /its producer ids are not used/);
  state.close();
});

// Nobody pulls a plug here: that SQLite waits for the disk at each commit is what a loss of power
// is survived by (https://www.sqlite.org/pragma.html#pragma_synchronous).
test('each commit waits for the disk with durability: power, and only then', async () => {
  await using dir = await tempDir();
  const waits = (['power', 'process'] as const).map((durability) => {
    const state = StateDatabase.open(dir.at(durability), durability);
    const { synchronous } = state.db.prepare('PRAGMA synchronous').get() as { synchronous: number };
    state.close();
    return synchronous;
  });
  assert.deepEqual(waits, [2, 1]);
});
