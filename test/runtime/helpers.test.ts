import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createBackoff } from '../../runtime/backoff.ts';
import { CodedError, errorText, rethrowDefect } from '../../runtime/errors.ts';
import { createLifecycle } from '../../runtime/lifecycle.ts';
import { createLogger } from '../../runtime/logger.ts';
import { createOutbox } from '../../runtime/outbox.ts';

test('the delays of a backoff are below a bound that doubles up to its maximum and is reset', () => {
  const longest = createBackoff({ initialMs: 100, maxMs: 1_000, random: () => 1 });
  assert.deepEqual(
    Array.from({ length: 6 }, () => longest.next()),
    [100, 200, 400, 800, 1_000, 1_000],
  );
  longest.reset();
  assert.equal(longest.next(), 100);
  assert.equal(createBackoff({ initialMs: 100, maxMs: 1_000, random: () => 0 }).next(), 0);
});

test('an outbox holds only the last value of each key, and ends when it is closed and empty', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer())), async (puts) => {
      const outbox = createOutbox<number, number>();
      for (const [key, value] of puts) outbox.put(key, value);
      assert.equal(outbox.size, new Set(puts.map(([key]) => key)).size);
      outbox.close();
      outbox.put(9, 9);
      if (puts.length > 0) assert.deepEqual(await outbox.take(), new Map(puts));
      assert.equal(await outbox.take(), undefined);
    }),
  );
  const outbox = createOutbox<string, number>();
  const taken = outbox.take();
  outbox.put('a', 1);
  assert.deepEqual(await taken, new Map([['a', 1]]));
  const last = outbox.take();
  outbox.close();
  assert.equal(await last, undefined);
});

test('a lifecycle rejects transitions that are not allowed', () => {
  const seen: string[] = [];
  const lifecycle = createLifecycle((state) => seen.push(state));
  assert.throws(() => lifecycle.enter('DRAINING'), /INITIALIZED to DRAINING is not allowed/);
  for (const state of ['RUNNING', 'DRAINING', 'STOPPED'] as const) lifecycle.enter(state);
  assert.throws(() => lifecycle.enter('RUNNING'), /STOPPED to RUNNING is not allowed/);
  assert.deepEqual(seen, ['RUNNING', 'DRAINING', 'STOPPED']);
});

test('a log entry is one line with its level, message and fields, whatever they contain', () => {
  const lines: string[] = [];
  const options = { level: 'info', write: (line: string) => lines.push(line) } as const;
  const error = new CodedError('X', 'it\nbroke', { cause: new Error('deep') });
  const json = createLogger({ ...options, format: 'json', fields: { program: 'p' } }).child({ entry: 'e' });
  json.debug('not shown');
  json.warn('careful', { position: 2n ** 60n, error, nested: { error } });
  const { time, ...rest } = JSON.parse(lines[0] as string);
  assert.ok(!Number.isNaN(Date.parse(time)));
  const text = 'it\nbroke: deep';
  const fields = { program: 'p', entry: 'e', position: '1152921504606846976', error: text, nested: { error: text } };
  assert.deepEqual(rest, { level: 'warn', message: 'careful', ...fields });
  createLogger({ ...options, format: 'text' }).error('lost', { error, path: '/a b', none: undefined, count: 3 });
  assert.match(lines[1] as string, /^\S+ ERROR lost error="it\\nbroke: deep" path="\/a b" count=3\n$/);
  assert.ok(lines.every((line) => line.indexOf('\n') === line.length - 1));
});

test('the error of a broken invariant is rethrown, and any other error is not', () => {
  const defect = new assert.AssertionError({ message: 'ranges overlap' });
  assert.throws(() => rethrowDefect(defect), /ranges overlap/);
  rethrowDefect(new Error('EACCES'));
});

test('the text of an error contains each of its causes once', () => {
  const cause = new Error('connect ECONNREFUSED');
  assert.equal(errorText(new Error('no answer', { cause })), 'no answer: connect ECONNREFUSED');
  assert.equal(errorText(new Error('no answer: connect ECONNREFUSED', { cause })), 'no answer: connect ECONNREFUSED');
  assert.equal(errorText(new AggregateError([cause, cause])), 'connect ECONNREFUSED');
  assert.equal(errorText(undefined), 'unknown error');
});

test("a logger's level is that of its children, may be set, and the last lines written are kept, as far as they fit", () => {
  const logger = createLogger({ level: 'info', format: 'text', write: () => {} });
  const child = logger.child({ entry: 'e' });
  child.debug('not written');
  logger.level = 'debug';
  child.debug('written');
  child.level = 'error';
  logger.info('not written');
  assert.deepEqual(
    logger.recent().map((line) => line.replace(/^\S+ /, '')),
    ['DEBUG written entry=e\n'],
  );
  for (let line = 0; line < 1_000; line++) logger.error(`${line} ${'x'.repeat(1_000)}`);
  const kept = logger.recent();
  assert.match(kept.at(-1) ?? '', / 999 x/);
  assert.ok(kept.length > 200 && kept.join('').length < 300_000);
});
