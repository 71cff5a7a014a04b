import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sumCounts } from '../../../controller/rollouts/count-agents.ts';
import { RolloutCounts } from '../../../proto/gen/logfleet/v1/rollout.ts';

test('the sum of lost bytes fits into an int64, whatever agents report', () => {
  const part = RolloutCounts.create({ lostBytes: 2n ** 63n - 1n });
  const sum = sumCounts([part, part, part]);
  assert.ok(sum.lostBytes > 2n ** 61n);
  assert.equal(RolloutCounts.decode(RolloutCounts.encode(sum).finish()).lostBytes, sum.lostBytes);
});
