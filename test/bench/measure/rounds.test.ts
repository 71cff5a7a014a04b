import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alternate } from '../../../bench/measure/rounds.ts';
import { logfleet } from '../../../bench/tools/logfleet.ts';

test('rounds alternate, the first does not count, and who fails is left out from then on', async () => {
  const tools = [logfleet('standard'), logfleet('none')];
  const order: string[] = [];
  const runs = await alternate(tools, 2, async ({ name }, round) => {
    order.push(`${round} ${name}`);
    return name === 'logfleet-lean' && round === 1 ? { failure: 'too slow' } : { seconds: round };
  });
  assert.deepEqual(order, ['0 logfleet', '0 logfleet-lean', '1 logfleet', '1 logfleet-lean', '2 logfleet']);
  assert.deepEqual(runs[0], { tool: tools[0], first: { seconds: 0 }, runs: [{ seconds: 1 }, { seconds: 2 }] });
  assert.deepEqual(runs[1], { tool: tools[1], first: { seconds: 0 }, runs: [], failure: 'too slow' });
});
