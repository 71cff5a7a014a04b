import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verdictOf } from '../../bench/quick.ts';

test('the guard lets noise pass, warns of what is slower, and fails for what is far slower', () => {
  assert.equal(verdictOf(0.6, 0.6).verdict, 'ok');
  assert.equal(verdictOf(0.9, 0.6).verdict, 'ok');
  assert.equal(verdictOf(0.49, 0.6).verdict, 'ok');
  assert.deepEqual(verdictOf(0.42, 0.6), { verdict: 'slower', share: 0.42 / 0.6 });
  assert.equal(verdictOf(0.29, 0.6).verdict, 'failed');
});

test('what nobody recorded is no failure', () => {
  assert.deepEqual(verdictOf(0.1, undefined), { verdict: 'not recorded', share: undefined });
});
