import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Checkpoint } from '../../../agent/model/checkpoint.ts';
import { lineStates } from '../../../agent/model/line-state.ts';
import { CheckpointStore } from '../../../agent/state/checkpoint-store.ts';
import { StateDatabase } from '../../../agent/state/state-database.ts';
import { tempDir } from '../../support/temp-dir.ts';

const inode = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const path = fc.string({ unit: 'binary', minLength: 1 }).filter((text) => text.isWellFormed() && !text.includes('\0'));
const lineState = fc.constantFrom(undefined, ...Object.values(lineStates));
const checkpoint: fc.Arbitrary<Checkpoint> = fc.record(
  {
    entryUid: fc.constantFrom('a', 'b'),
    generation: fc.constantFrom('g1', 'g2', 'g3'),
    device: inode,
    inode,
    path,
    folder: fc.option(fc.record({ path, inode }, { noNullPrototype: true }), { nil: undefined }),
    head: fc.record({ bytes: fc.nat(1024), hash: fc.constant('ab') }, { noNullPrototype: true }),
    birthMs: fc.nat(Number.MAX_SAFE_INTEGER),
    size: fc.nat(Number.MAX_SAFE_INTEGER),
    ctimeNs: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
    markers: fc.array(
      fc.record({ end: fc.nat(), bytes: fc.nat(1024), hash: fc.constant('cd') }, { noNullPrototype: true }),
      { maxLength: 6 },
    ),
    first: fc.nat(),
    firstReason: fc.constantFrom(undefined, 'start', 'copy', 'unknown'),
    phase: fc.constantFrom('live', 'rotated', 'sealed', 'away', 'ended'),
    position: fc.nat(Number.MAX_SAFE_INTEGER),
    rangeEnd: fc.nat(Number.MAX_SAFE_INTEGER),
    lineState,
    ahead: fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat(), lineState, lineState), {
      maxLength: 3,
    }),
    topic: fc.constantFrom('', 't'),
    partition: fc.integer({ min: -1, max: 10 }),
  },
  { noNullPrototype: true },
);

function opened(dir: string): { state: StateDatabase; store: CheckpointStore } {
  const state = StateDatabase.open(dir);
  return { state, store: new CheckpointStore(state) };
}

test('a reopened state has the last flushed checkpoints, with all bits of an inode', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(checkpoint, { maxLength: 8 }), async (checkpoints) => {
      await using dir = await tempDir();
      const { state, store } = opened(dir.path);
      for (const each of checkpoints) store.put(each);
      state.flush(1);
      state.close();
      const again = opened(dir.path);
      const found = ['a', 'b'].flatMap((uid) => again.store.load(uid));
      again.state.close();
      const last = new Map(checkpoints.map((each) => [`${each.entryUid} ${each.generation}`, each]));
      const sorted = [...last].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
      assert.deepEqual(found, sorted);
    }),
    { numRuns: 30 },
  );
});

test('a removed generation does not reappear with the next flush', async () => {
  await using dir = await tempDir();
  const { state, store } = opened(dir.path);
  const [one] = fc.sample(checkpoint, 1) as [Checkpoint];
  store.put(one);
  store.remove(one.entryUid, one.generation);
  state.flush(1);
  assert.deepEqual(store.load(one.entryUid), []);
  state.close();
});

test('the globs of the last scan are stored by entry', async () => {
  await using dir = await tempDir();
  const { state, store } = opened(dir.path);
  assert.equal(store.scannedGlobs('a'), undefined);
  store.markScanned('a', { paths: ['/x/*.log'], exclude: [] });
  store.markScanned('a', { paths: ['/x/*.log', '/y/{a,b}'], exclude: ['**/*.gz'] });
  assert.deepEqual(store.scannedGlobs('a'), { paths: ['/x/*.log', '/y/{a,b}'], exclude: ['**/*.gz'] });
  assert.equal(store.scannedGlobs('b'), undefined);
  state.close();
});

test('a checkpoint that is not written yet is loaded as noted', async () => {
  await using dir = await tempDir();
  const { state, store } = opened(dir.path);
  const [one] = fc.sample(checkpoint, 1) as [Checkpoint];
  store.put(one);
  state.flush(1);
  const later = { ...one, position: one.position + 1 };
  store.put(later);
  assert.deepEqual(store.load(one.entryUid), [later]);
  state.close();
});

test('checkpoints are loaded in the order in which they were written last', async () => {
  await using dir = await tempDir();
  const { state, store } = opened(dir.path);
  const [one] = fc.sample(checkpoint, 1) as [Checkpoint];
  const named = (generation: string) => ({ ...one, generation });
  for (const [nowMs, generation] of ['g1', 'g3', 'g2', 'g1'].entries()) {
    store.put(named(generation));
    state.flush(nowMs);
  }
  store.put(named('g3'));
  assert.deepEqual(
    store.load(one.entryUid).map(({ generation }) => generation),
    ['g2', 'g1', 'g3'],
  );
  state.close();
});

test('a state of a newer format is refused with a remedy and left unchanged', async () => {
  await using newer = await tempDir();
  const db = new DatabaseSync(newer.at('checkpoints.db'));
  db.exec('PRAGMA user_version = 99');
  db.close();
  assert.throws(() => StateDatabase.open(newer.path), { code: 'NEWER_VERSION', message: /format 99\): upgrade/ });
});

test('a state of format 1 is migrated and keeps its positions', async () => {
  await using dir = await tempDir();
  const db = new DatabaseSync(dir.at('checkpoints.db'));
  db.exec(`CREATE TABLE generation (
      entry_uid TEXT NOT NULL, generation TEXT NOT NULL, device INTEGER NOT NULL, inode INTEGER NOT NULL, path TEXT NOT NULL,
      head_bytes INTEGER NOT NULL, head_hash TEXT NOT NULL, position INTEGER NOT NULL, topic TEXT NOT NULL,
      partition INTEGER NOT NULL, updated_ms INTEGER NOT NULL, PRIMARY KEY (entry_uid, generation)) STRICT, WITHOUT ROWID;
    CREATE TABLE entry (uid TEXT PRIMARY KEY, paths TEXT NOT NULL, exclude TEXT NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO generation VALUES ('e', 'g', 1, 2, '/a.log', 3, 'ab', 4, 't', 5, 6);
    PRAGMA user_version = 1;`);
  db.close();
  const { state, store } = opened(dir.path);
  const [found] = store.load('e');
  assert.deepEqual(
    [found?.path, found?.position, found?.rangeEnd, found?.lineState, found?.ahead, found?.markers, found?.folder],
    ['/a.log', 4, 4, undefined, [], [], undefined],
  );
  state.close();
});
