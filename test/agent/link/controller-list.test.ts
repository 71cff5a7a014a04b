import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ControllerList } from '../../../agent/link/controller-list.ts';

function tried(list: ControllerList, count: number): Set<string> {
  return new Set(Array.from({ length: count }, () => list.next()));
}

test('each controller gets its turn, including announced ones', () => {
  const list = new ControllerList(['a:1', 'b:1']);
  assert.deepEqual(tried(list, 2), new Set(['a:1', 'b:1']));
  list.learn(['b:1', 'c:1'], '');
  assert.deepEqual(tried(list, 3), new Set(['a:1', 'b:1', 'c:1']));
});

test('agents begin at a random address of the list', () => {
  const first = new Set(Array.from({ length: 200 }, () => new ControllerList(['a:1', 'b:1', 'c:1']).next()));
  assert.equal(first.size, 3);
});

test('a redirect to another controller is followed once', () => {
  const list = new ControllerList(['a:1']);
  list.next();
  list.learn(['a:1', 'b:1'], 'b:1');
  assert.equal(list.next(), 'b:1');
  assert.equal(list.next(), 'a:1');
});

test("an announced controller that can't be reached is skipped until the next announcement; configured ones are tried for ever", () => {
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

test('after a stream that worked, the agent connects to another controller, if there is one', () => {
  const list = new ControllerList(['a:1', 'b:1']);
  const gone = list.next();
  list.preferAnother();
  assert.notEqual(list.next(), gone);
  const single = new ControllerList(['a:1']);
  single.next();
  single.preferAnother();
  assert.equal(single.next(), 'a:1');
});
