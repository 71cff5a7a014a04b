import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Keyspace } from '../../../controller/etcd/keyspace.ts';

const keys = new Keyspace('/logfleet/');

test('keys are those that previous releases have written', () => {
  assert.deepEqual(
    [
      keys.agents.key('a'),
      keys.presence.key('a'),
      keys.controllers.key('c'),
      keys.elections.key('alerts'),
      keys.entries.key('e'),
      keys.rollouts.key('r'),
      keys.settings.key('a'),
      keys.alerts.key('x'),
      keys.version('e', 7n),
      keys.deletions.key('e'),
      keys.trimmed,
    ],
    [
      '/logfleet/agents/a',
      '/logfleet/presence/a',
      '/logfleet/controllers/c',
      '/logfleet/elections/alerts',
      '/logfleet/entries/e',
      '/logfleet/rollouts/r',
      '/logfleet/settings/a',
      '/logfleet/alerts/x',
      '/logfleet/~versions/e/0000000007',
      '/logfleet/~deleted/e',
      '/logfleet/~trimmed',
    ],
  );
});

test('a key is parsed by its own family only, and versions sort by their numbers', () => {
  assert.equal(keys.entries.parseId('/logfleet/entries/e'), 'e');
  assert.equal(keys.entries.parseId('/logfleet/rollouts/e'), undefined);
  assert.deepEqual(keys.parseVersion(keys.version('e', 12n)), { id: 'e', version: 12n });
  assert.throws(() => keys.parseVersion('/logfleet/~versions/odd'), /is not the key of a version/);
  assert.ok(keys.version('e', 9n) < keys.version('e', 10n));
});

test('the present state excludes the history', () => {
  const { start, end } = keys.current;
  const isCurrent = (key: string) => key >= start && key < end;
  assert.ok([keys.entries.key('e'), keys.presence.key('a'), keys.settings.key('a')].every(isCurrent));
  assert.ok(![keys.version('e', 1n), keys.deletions.key('e'), keys.trimmed].some(isCurrent));
});
