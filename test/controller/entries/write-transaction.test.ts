import assert from 'node:assert/strict';
import { test } from 'node:test';
import { transactionOf } from '../../../controller/entries/write-transaction.ts';
import { Keyspace } from '../../../controller/etcd/keyspace.ts';
import { Entry } from '../../../proto/gen/logfleet/v1/entry.ts';
import { Rollout } from '../../../proto/gen/logfleet/v1/rollout.ts';

test('an entry whose rollout was paused or moved on since somebody looked is not deleted by what was decided before', () => {
  const keys = new Keyspace('/t/');
  const entry = Entry.create({ name: 'entries/app' });
  const rollout = Rollout.create({ id: 'r', entry: 'entries/app', state: 'STATE_PROGRESSING' });
  const former = {
    ...{ name: 'entries/app', entry, json: { rollout: 'r' }, revision: 5n, version: 1n, lastRevision: 5n },
    ...{ rollout: { rollout, revision: 7n, created: 5n }, stray: undefined },
  };
  const step = { plan: { change: 'CHANGE_DELETED', entry } as const, former, reason: '' };
  const by = { name: 'a', authenticated: false };
  const { transaction } = transactionOf([step], by, { now: new Date(0), keys, versions: 9 });
  assert.deepEqual(
    transaction.when.find(({ key }) => key === keys.rollout('r')),
    { key: keys.rollout('r'), revision: 7n },
  );
  assert.ok(transaction.deletes.includes(keys.rollout('r')));
});
