import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Told } from '../../../controller/entries/told.ts';

test('in the middle of a revision only what was told of it has been told', () => {
  const told = new Told(7n);
  const at = (revision: bigint, key: string) => ({ revision, key });
  assert.deepEqual([told.has(at(7n, 'a')), told.has(at(8n, 'a'))], [true, false]);
  told.add(at(8n, 'a'));
  assert.deepEqual([told.has(at(7n, 'z')), told.has(at(8n, 'a')), told.has(at(8n, 'b'))], [true, true, false]);
  told.add(at(8n, 'b'));
  told.add(at(10n, 'a'));
  assert.deepEqual([told.has(at(8n, 'z')), told.has(at(10n, 'a')), told.has(at(10n, 'b'))], [true, true, false]);
});
