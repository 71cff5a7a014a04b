import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildTransaction } from '../../../controller/entries/commit-transaction.ts';
import { Keyspace } from '../../../controller/etcd/keyspace.ts';
import { Entry } from '../../../proto/gen/logfleet/v1/entry.ts';
import { Rollout } from '../../../proto/gen/logfleet/v1/rollout.ts';

test('a deletion is refused when the rollout on which it was decided has been written since', () => {
  const keys = new Keyspace('/t/');
  const entry = Entry.create({ name: 'entries/app' });
  const rollout = Rollout.create({ id: 'r', entry: 'entries/app', state: 'STATE_PROGRESSING' });
  const base = {
    ...{ name: 'entries/app', entry, json: { rollout: 'r' }, revision: 5n, version: 1n, lastRevision: 5n },
    ...{ rollout: { rollout, revision: 7n, createRevision: 5n }, unrecorded: undefined },
  };
  const step = { plan: { change: 'CHANGE_DELETED', entry } as const, base, reason: '', namedFields: [] };
  const by = { name: 'a', authenticated: false };
  const { transaction } = buildTransaction([step], by, { now: new Date(0), keys, versions: 9 });
  assert.deepEqual(
    transaction.conditions.find(({ key }) => key === keys.rollouts.key('r')),
    { key: keys.rollouts.key('r'), revision: 7n },
  );
  assert.ok(transaction.deletes.includes(keys.rollouts.key('r')));
});
