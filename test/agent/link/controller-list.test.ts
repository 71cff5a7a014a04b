import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ControllerList } from '../../../agent/link/controller-list.ts';

function tried(list: ControllerList, count: number): Set<string> {
  return new Set(Array.from({ length: count }, () => list.next()));
}

test('each controller has its turn, those that a controller told of too', () => {
  const list = new ControllerList(['a:1', 'b:1']);
  assert.deepEqual(tried(list, 2), new Set(['a:1', 'b:1']));
  list.learn(['b:1', 'c:1'], '');
  assert.deepEqual(tried(list, 3), new Set(['a:1', 'b:1', 'c:1']));
});

test('agents begin anywhere in the list', () => {
  const first = new Set(Array.from({ length: 200 }, () => new ControllerList(['a:1', 'b:1', 'c:1']).next()));
  assert.equal(first.size, 3);
});

test('a controller that sends its agents away is obeyed once', () => {
  const list = new ControllerList(['a:1']);
  list.next();
  list.learn(['a:1', 'b:1'], 'b:1');
  assert.equal(list.next(), 'b:1');
  assert.equal(list.next(), 'a:1');
});

test('what was told and can not be reached is left out until it is told again; what is configured is tried for ever', () => {
  const list = new ControllerList(['a:1']);
  list.next();
  list.learn(['b:1'], 'b:1');
  list.next();
  list.markUnreachable();
  assert.deepEqual(tried(list, 4), new Set(['a:1']));
  list.markUnreachable();
  assert.equal(list.next(), 'a:1');
  list.learn(['b:1'], '');
  assert.deepEqual(tried(list, 2), new Set(['a:1', 'b:1']));
});

test('after a stream that worked the agent goes to another controller, where there is one', () => {
  const list = new ControllerList(['a:1', 'b:1']);
  const gone = list.next();
  list.preferAnother();
  assert.notEqual(list.next(), gone);
  const single = new ControllerList(['a:1']);
  single.next();
  single.preferAnother();
  assert.equal(single.next(), 'a:1');
});
