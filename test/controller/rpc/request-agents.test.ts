import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentDirectory } from '../../../controller/fleet/agent-directory.ts';
import type { Peers } from '../../../controller/fleet/peers.ts';
import { requestAgents } from '../../../controller/rpc/request-agents.ts';
import { systemClock } from '../../../runtime/clock.ts';

test('a request to another controller is cancelled when its caller has cancelled before it was sent', async () => {
  const signals: AbortSignal[] = [];
  const peer = {
    askAgents: async function* (_request: unknown, { signal }: { signal: AbortSignal }) {
      signals.push(signal);
      await new Promise(() => {});
    },
  };
  const context = {
    clock: systemClock,
    agents: { controllerId: 'a' } as unknown as AgentDirectory,
    peers: { find: () => peer } as unknown as Peers,
  };
  const request = {
    timeoutMs: 3_600_000,
    question: { $case: 'tap', value: { entry: 'e', linesPerSecond: 1 } },
  } as const;
  const targets = new Map([['b', ['web-1']]]);
  for await (const response of requestAgents(targets, { request, silenceMs: 100 }, context, AbortSignal.abort()))
    assert.fail(JSON.stringify(response));
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [true],
  );
});
