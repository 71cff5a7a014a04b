import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FeedPosition } from '../../../controller/entries/feed-position.ts';

test('in the middle of a revision, only the keys that were read are included', () => {
  const told = new FeedPosition(7n);
  const at = (revision: bigint, key: string) => ({ revision, key });
  assert.deepEqual([told.includes(at(7n, 'a')), told.includes(at(8n, 'a'))], [true, false]);
  told.advance(at(8n, 'a'));
  assert.deepEqual(
    [told.includes(at(7n, 'z')), told.includes(at(8n, 'a')), told.includes(at(8n, 'b'))],
    [true, true, false],
  );
  told.advance(at(8n, 'b'));
  told.advance(at(10n, 'a'));
  assert.deepEqual(
    [told.includes(at(8n, 'z')), told.includes(at(10n, 'a')), told.includes(at(10n, 'b'))],
    [true, true, false],
  );
});
