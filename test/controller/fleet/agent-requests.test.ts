import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AgentRequest, AgentRequests } from '../../../controller/fleet/agent-requests.ts';
import { Answer } from '../../../proto/gen/logfleet/v1/ask.ts';
import { type Clock, systemClock } from '../../../runtime/clock.ts';
import { eventually } from '../../support/eventually.ts';

const restart: AgentRequest = { timeoutMs: 1_000, question: { $case: 'restart', value: { entry: 'entries/app' } } };
const able = { capabilities: ['restart', 'log_level'], version: '1.2.3' };

/** Counts the calls of `sleep`. */
function countingClock(): Clock & { sleeps: number } {
  const { sleep } = systemClock;
  const clock = {
    ...systemClock,
    sleeps: 0,
    sleep: (ms: number, signal?: AbortSignal) => {
      clock.sleeps++;
      return sleep(ms, signal);
    },
  };
  return clock;
}

test('a request with a complete response is no longer waited for', async () => {
  const clock = countingClock();
  const asks = new AgentRequests(able, clock, () => {});
  const answers: Answer[] = [];
  asks.send(restart, 60_000, (answer) => answers.push(answer));
  const message = asks.next();
  assert.equal(message?.$case, 'ask');
  asks.handlePart(Answer.create({ id: message?.value.id ?? 0n, done: true }));
  await new Promise(setImmediate);
  assert.deepEqual([answers.length, clock.sleeps, asks.next()], [1, 1, undefined]);
});

test('a request cancelled before it was sent is not sent, and a sent one is cancelled at the agent', () => {
  const asks = new AgentRequests(able, systemClock, () => {});
  asks.send(restart, 60_000, () => {})();
  assert.equal(asks.next(), undefined);
  const cancel = asks.send(restart, 60_000, () => {});
  const id = asks.next()?.value.id;
  cancel();
  cancel();
  assert.deepEqual(asks.next(), { $case: 'cancel', value: { id } });
  assert.equal(asks.next(), undefined);
});

test('every request ends: at its deadline, with its stream, or at once if it cannot be sent', async () => {
  const asks = new AgentRequests(able, systemClock, () => {});
  const codes: (string | undefined)[] = [];
  const ask = (question: AgentRequest, silenceMs: number) =>
    asks.send(question, silenceMs, ({ done, error }) => codes.push(done ? error?.code : 'not done'));
  ask({ timeoutMs: 1, question: { $case: 'diagnostics', value: {} } }, 1);
  assert.deepEqual(codes.splice(0), ['CODE_UNIMPLEMENTED']);
  for (let open = 0; open < 8; open++) ask(restart, open === 0 ? 10 : 60_000);
  ask(restart, 60_000);
  assert.deepEqual(codes.splice(0), ['CODE_RESOURCE_EXHAUSTED']);
  await eventually(() => assert.deepEqual(codes, ['CODE_DEADLINE_EXCEEDED']));
  asks.close();
  ask(restart, 60_000);
  assert.deepEqual(codes, ['CODE_DEADLINE_EXCEEDED', ...Array.from({ length: 8 }, () => 'CODE_UNAVAILABLE')]);
});
