import assert from 'node:assert/strict';
import { test } from 'node:test';
import { int64 } from '../../../agent/model/int64.ts';
import { Preview, Rewound } from '../../../proto/gen/logfleet/v1/ask.ts';
import { AgentHealth } from '../../../proto/gen/logfleet/v1/fleet.ts';

test('the sizes of any number of huge files add up to what a message can have', () => {
  const sizes = Array.from({ length: 2_000 }, () => Number.MAX_SAFE_INTEGER);
  const sums = [sizes.reduce((sum, size) => sum + size, 0), sizes.reduce((sum, size) => sum + BigInt(size), 0n)];
  for (const sum of sums) {
    const bytes = int64(sum);
    assert.equal(Preview.decode(Preview.encode(Preview.create({ bytes })).finish()).bytes, 2n ** 63n - 1n);
    assert.equal(Rewound.decode(Rewound.encode(Rewound.create({ bytes })).finish()).bytes, 2n ** 63n - 1n);
    const health = AgentHealth.create({ lagBytes: bytes, deliveredBytes: bytes, pinnedBytes: bytes });
    assert.deepEqual(AgentHealth.decode(AgentHealth.encode(health).finish()), health);
  }
  assert.deepEqual([int64(7), int64(0n)], [7n, 0n]);
});
