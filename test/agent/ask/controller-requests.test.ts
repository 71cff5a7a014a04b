import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ControllerRequests } from '../../../agent/ask/controller-requests.ts';
import {
  capabilitiesFor,
  RequestError,
  type RequestHandlers,
  type ResponsePart,
} from '../../../agent/ask/request-handler.ts';
import { Answer, Ask } from '../../../proto/gen/logfleet/v1/ask.ts';
import { systemClock } from '../../../runtime/clock.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { eventually } from '../../support/eventually.ts';

const restart = { $case: 'restart', value: { entry: 'entries/app' } } as const;
const part = (files: number): ResponsePart => ({ $case: 'restart', value: { files } });

function answersOf(answerers: RequestHandlers) {
  const logged: string[] = [];
  const logger = createLogger({ level: 'info', format: 'json', write: (line) => logged.push(line) });
  const answers = new ControllerRequests(answerers, { clock: systemClock, logger, onReady: () => {} });
  const ask = (id: bigint, question: Ask['question'] = restart, timeoutMs = 60_000) =>
    answers.accept(Ask.create({ id, timeoutMs, ...(question && { question }) }));
  const next = () =>
    eventually(() => {
      const answer = answers.nextResponse();
      assert.ok(answer);
      return answer;
    });
  return { answers, ask, next, logged };
}

test('response parts are made one by one, each when the previous one was taken, and the last one is marked', async () => {
  let made = 0;
  const { ask, next, answers } = answersOf({
    restart: async function* () {
      for (; made < 3; made++) yield part(made);
    },
  });
  ask(7n);
  await eventually(() => assert.equal(made, 0));
  const taken: Answer[] = [await next()];
  assert.ok(made <= 1);
  while (!taken.at(-1)?.done) taken.push(await next());
  assert.deepEqual(
    taken,
    [0, 1, 2]
      .map((files) => Answer.create({ id: 7n, part: part(files) }))
      .concat(Answer.create({ id: 7n, done: true })),
  );
  assert.equal(answers.nextResponse(), undefined);
});

test('unknown requests and failures are reported in words, and unexpected failures are logged as well', async () => {
  const { answers, ask, next, logged } = answersOf({
    restart: () => {
      throw new RequestError('CODE_NOT_FOUND', 'entries/app is not on this agent');
    },
    logLevel: () => {
      throw new Error('broken');
    },
  });
  const outcome = async () => {
    const { id, done, error } = await next();
    return [id, done, error?.code, error?.message];
  };
  ask(1n);
  assert.deepEqual(await outcome(), [1n, true, 'CODE_NOT_FOUND', 'entries/app is not on this agent']);
  assert.deepEqual(logged, []);
  ask(2n, { $case: 'logLevel', value: { level: 'debug', forMs: 0n } });
  assert.deepEqual(await outcome(), [2n, true, 'CODE_INTERNAL', 'broken']);
  assert.match(logged.join(), /a request failed/);
  const upgrade = "this agent's version does not support the request: upgrade the agent";
  // A request of a later version is empty after decoding.
  const later = Ask.decode(
    Buffer.concat([Ask.encode(Ask.create({ id: 3n, timeoutMs: 1_000 })).finish(), Buffer.from([0x9a, 0x06, 0])]),
  );
  answers.accept(later);
  ask(4n, { $case: 'tap', value: { entry: 'entries/app', linesPerSecond: 1 } });
  for (const id of [3n, 4n]) assert.deepEqual(await outcome(), [id, true, 'CODE_UNIMPLEMENTED', upgrade]);
});

test('a request ends at its deadline even if its handler hangs, and a cancelled request gets no response', async () => {
  const signals: AbortSignal[] = [];
  const { ask, next, answers } = answersOf({
    restart: async function* (_question, { signal }) {
      signals.push(signal);
      await new Promise(() => {});
    },
    diagnostics: async function* (_question, { signal }) {
      signals.push(signal);
      for (;;) yield { $case: 'diagnostics', value: Buffer.from('x') };
    },
  });
  ask(1n, restart, 20);
  const late = await next();
  assert.deepEqual([late.id, late.done, late.error?.code], [1n, true, 'CODE_DEADLINE_EXCEEDED']);
  ask(2n, { $case: 'diagnostics', value: {} });
  assert.equal((await next()).id, 2n);
  answers.cancel(2n);
  ask(3n, { $case: 'diagnostics', value: {} });
  assert.equal((await next()).id, 3n);
  answers.close();
  assert.equal(answers.nextResponse(), undefined);
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [true, true, true],
  );
});

test('the end of a stream releases its requests, also those whose deadline passed while a part waited', async () => {
  const stop = new AbortController();
  let holds = 0;
  const { ask, answers } = answersOf({
    tap: async function* (_question, { signal }) {
      signal.addEventListener('abort', () => stop.abort());
      holds++;
      try {
        for (;;) yield { $case: 'tap', value: { lines: [], leftOut: 0n, dropped: 0n } };
      } finally {
        holds--;
      }
    },
  });
  ask(1n, { $case: 'tap', value: { entry: 'entries/app', linesPerSecond: 1 } }, 20);
  await eventually(() => assert.ok(stop.signal.aborted));
  assert.equal(holds, 1);
  answers.close();
  await eventually(() => assert.equal(holds, 0));
});

test('more than eight requests at once are refused, hanging ones count, and the next is accepted when one ends', async () => {
  const ends: (() => void)[] = [];
  const { answers, ask, next } = answersOf({
    restart: async function* () {
      await new Promise<void>((end) => ends.push(end));
    },
  });
  for (let id = 1n; id <= 8n; id++) ask(id, restart, id === 1n ? 1 : 60_000);
  assert.equal((await next()).error?.code, 'CODE_DEADLINE_EXCEEDED');
  ask(9n);
  assert.equal((await next()).error?.code, 'CODE_RESOURCE_EXHAUSTED');
  ends[0]?.();
  await eventually(async () => {
    ask(10n);
    assert.equal(ends.length, 9);
  });
  answers.close();
});

test("capabilities are the names of the contract's requests", () => {
  const none = async function* () {};
  assert.deepEqual(capabilitiesFor({ tap: none, logLevel: none }), ['tap', 'log_level']);
});
