import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lineStates } from '../../../agent/model/line-state.ts';
import { parseAhead } from '../../../agent/model/position.ts';

test('ranges stored by earlier versions are parsed, and what they lack is unknown', () => {
  const { line, group } = lineStates;
  assert.deepEqual(parseAhead('[[1,2],[3,4,3],[5,6,6,1],[7,8,8,null],[9,10,10,1,3]]'), [
    [1, 2, 2, undefined, undefined],
    [3, 4, 3, undefined, undefined],
    [5, 6, 6, line, undefined],
    [7, 8, 8, undefined, undefined],
    [9, 10, 10, line, group],
  ]);
});
