import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { mkdir, rename, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { EntryCollector } from '../../../agent/collect/entry-collector.ts';
import { FileBudget } from '../../../agent/collect/files/file-budget.ts';
import type { FileWatcher } from '../../../agent/collect/find/file-watcher.ts';
import { CrashRecovery } from '../../../agent/collect/sources/crash-recovery.ts';
import { WorkPool } from '../../../agent/encode/work-pool.ts';
import type { DeliveryRouter } from '../../../agent/produce/delivery-router.ts';
import { CheckpointStore } from '../../../agent/state/checkpoint-store.ts';
import { FactStore } from '../../../agent/state/fact-store.ts';
import { StateDatabase } from '../../../agent/state/state-database.ts';
import { Entry } from '../../../proto/gen/logfleet/v1/entry.ts';
import { systemClock } from '../../../runtime/clock.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { testBench } from '../../support/test-bench.ts';

const HOUR_MS = 3_600_000;
const NOT_ROUTED = {
  partitionCount: () => new Promise(() => {}),
  failure: () => undefined,
} as unknown as DeliveryRouter;

const NO_LISTENER = { acknowledged: () => {}, stateChanged: () => {} };

test('where reading begins depends on the rule and on whether the file existed when the entry arrived', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  await writeFile(file, 'one\ntwo\n');
  const changed = new Date(Date.now() - 2 * HOUR_MS);
  await utimes(file, changed, changed);
  const state = StateDatabase.open(dir.at('state'));
  const store = new CheckpointStore(state);
  const logger = createLogger({ level: 'error', format: 'json', write: () => {} });
  const budget = new FileBudget(10);
  const recovery = new CrashRecovery([], {
    store,
    facts: new FactStore(state, { clock: systemClock, logger }),
    pool: new WorkPool(1),
    budget,
    logger,
  });
  const positionWith = async (start: string, entryCameMs: number) => {
    const clock = { nowMs: () => entryCameMs, monotonicMs: () => 0, sleep: async () => {}, after: () => () => {} };
    const tools = {
      recovery,
      clock,
      logger,
      store,
      facts: new FactStore(state, { clock, logger }),
      budget,
      once: false,
      router: NOT_ROUTED,
      host: 'h',
    };
    const entry = Entry.create({ name: 'entries/a', uid: `${start}-${entryCameMs}`, topic: 't', paths: [file], start });
    const collector = new EntryCollector(entry, { ...tools, listener: NO_LISTENER });
    collector.apply(entry);
    await collector.scan();
    const positions = [...collector.sources].map(({ position }) => position);
    collector.halt();
    collector.close();
    return positions;
  };
  const [before, after] = [Date.now() - HOUR_MS, Date.now() + HOUR_MS];
  assert.deepEqual(await positionWith('end', after), [8], 'the file was there');
  assert.deepEqual(await positionWith('end', before), [0], 'the file was created since');
  assert.deepEqual(await positionWith('beginning', after), [0]);
  const [earlier, later] = [3, 1].map((hours) => new Date(Date.now() - hours * HOUR_MS).toISOString());
  assert.deepEqual(await positionWith(earlier as string, after), [0], 'changed since that time');
  assert.deepEqual(await positionWith(later as string, after), [8], 'not changed since that time');
  state.close();
});

test('with start: end, a file that moves while the first scan walks is read from its end', async () => {
  await using dir = await tempDir();
  for (const folder of ['a', 'b']) await mkdir(dir.at('logs', folder), { recursive: true });
  for (const folder of ['a', 'b']) await writeFile(dir.at('logs', folder, 'app.log'), `in ${folder}\n`);
  const state = StateDatabase.open(dir.at('state'));
  const logger = createLogger({ level: 'error', format: 'json', write: () => {} });
  const [store, budget] = [new CheckpointStore(state), new FileBudget(10)];
  const facts = new FactStore(state, { clock: systemClock, logger });
  const recovery = new CrashRecovery([], { store, facts, pool: new WorkPool(1), budget, logger });
  const folders: string[] = [];
  // When the walk comes to the second of the two folders, a file moves from there to the first one.
  const watch = (path: string) => {
    if (basename(path).length === 1 && folders.push(path) === 2)
      renameSync(join(path, 'app.log'), join(folders[0] as string, 'app.log.1'));
    return false;
  };
  const watcher = { watch, sweep: () => {}, close: () => {}, mayHaveLostEvents: () => true, busy: new Map() };
  const clock = { ...systemClock, nowMs: () => Date.now() + HOUR_MS };
  const entry = Entry.create({
    name: 'entries/a',
    uid: 'a',
    topic: 't',
    paths: [dir.at('logs', '*', '*')],
    start: 'end',
  });
  const collector = new EntryCollector(entry, {
    ...{ recovery, clock, logger, store, facts, budget, once: false, router: NOT_ROUTED, host: 'h' },
    listener: NO_LISTENER,
    watcher: () => watcher as unknown as FileWatcher,
  });
  collector.apply(entry);
  await collector.scan();
  await collector.scan();
  assert.deepEqual([...collector.sources].map(({ path, position }) => [basename(path), position]).sort(), [
    ['app.log', 5],
    ['app.log.1', 5],
  ]);
  // A file that is moved in after that is read from its beginning.
  await writeFile(dir.at('other.log'), 'one\n');
  await rename(dir.at('other.log'), dir.at('logs', 'a', 'other.log'));
  await collector.scan();
  assert.equal([...collector.sources].find(({ path }) => path.endsWith('other.log'))?.position, 0);
  collector.halt();
  collector.close();
  state.close();
});

test('a file that no longer matches is not read further when settings change before its last lines are acknowledged', async () => {
  await using dir = await tempDir();
  const files = [dir.at('a.log'), dir.at('b.log')] as const;
  for (const file of files) await writeFile(file, 'one\n');
  const state = StateDatabase.open(dir.at('state'));
  const logger = createLogger({ level: 'error', format: 'json', write: () => {} });
  const [store, budget] = [new CheckpointStore(state), new FileBudget(10)];
  const facts = new FactStore(state, { clock: systemClock, logger });
  const recovery = new CrashRecovery([], { store, facts, pool: new WorkPool(1), budget, logger });
  const route = { topic: 't', partition: 0, wake: () => {} };
  const router = {
    partitionCount: async () => 1,
    failure: () => undefined,
    route: () => route,
  } as unknown as DeliveryRouter;
  const tools = {
    ...{ recovery, logger, store, facts, budget, router },
    clock: systemClock,
    once: false,
    host: 'h',
  };
  const both = Entry.create({ name: 'entries/a', uid: 'a', topic: 't', paths: [...files], start: 'beginning' });
  const collector = new EntryCollector(both, { ...tools, listener: NO_LISTENER });
  const statesWith = async (entry: Entry) => {
    collector.apply(entry);
    await collector.scan();
    collector.assignRoutes();
    return [...collector.sources].map((source) => source.file.state.activity);
  };
  assert.deepEqual(await statesWith(both), ['reading', 'reading']);
  const [source] = collector.sources;
  assert.ok((await source?.fill(testBench()))?.segment);
  assert.deepEqual(await statesWith({ ...both, paths: [files[1]] }), ['unmatched', 'reading']);
  assert.deepEqual(await statesWith(both), ['reading', 'reading']);
  collector.halt();
  collector.close();
  state.close();
});
