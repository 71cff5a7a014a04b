import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fleet } from '../../../controller/fleet/fleet.ts';
import type { Peers } from '../../../controller/fleet/peers.ts';
import { askAgents } from '../../../controller/rpc/ask-agents.ts';
import { systemClock } from '../../../runtime/clock.ts';

test('of a caller that is gone before its question goes out no other controller is asked for long', async () => {
  const asked: AbortSignal[] = [];
  const peer = {
    askAgents: async function* (_request: unknown, { signal }: { signal: AbortSignal }) {
      asked.push(signal);
      await new Promise(() => {});
    },
  };
  const tools = {
    clock: systemClock,
    fleet: { controllerId: 'a' } as unknown as Fleet,
    peers: { find: () => peer } as unknown as Peers,
  };
  const question = {
    timeoutMs: 3_600_000,
    question: { $case: 'tap', value: { entry: 'e', linesPerSecond: 1 } },
  } as const;
  const targets = new Map([['b', ['web-1']]]);
  for await (const answer of askAgents(targets, { question, silenceMs: 100 }, tools, AbortSignal.abort()))
    assert.fail(JSON.stringify(answer));
  assert.deepEqual(
    asked.map(({ aborted }) => aborted),
    [true],
  );
});
