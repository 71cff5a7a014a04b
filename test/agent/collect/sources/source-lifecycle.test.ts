import assert from 'node:assert/strict';
import { appendFileSync, closeSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { type LifecycleEvent, transition, transitions } from '../../../../agent/collect/sources/lifecycle.ts';
import type { Source } from '../../../../agent/collect/sources/source.ts';
import type { Route } from '../../../../agent/produce/route.ts';
import type { Segment } from '../../../../agent/produce/route-source.ts';
import { testFormat } from '../../../support/formats.ts';
import { openSource } from '../../../support/open-source.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { testBench } from '../../../support/test-bench.ts';

const EVENTS = Object.keys(transitions) as LifecycleEvent[];

type Step = LifecycleEvent | 'grow' | 'read' | 'acknowledge' | 'return';

const steps = fc.array(fc.constantFrom<Step>(...EVENTS, 'grow', 'read', 'read', 'acknowledge', 'return'), {
  maxLength: 60,
});

/** A source, and the calls of its route and its observer. */
function watched(file: string) {
  const seen: string[] = [];
  const source: Source = openSource(file, {
    observer: {
      stateChanged: () => seen.push('report'),
      phaseChanged: (changed) => seen.push(`store ${changed.file.checkpoint.phase}`),
    },
  });
  const route = { topic: 't', partition: 0, wake: () => seen.push('wake') } as unknown as Route;
  source.assign(route, () => testFormat());
  return { source, route, seen };
}

test('whatever happens to a source, it reads only while it may, and its position never goes back', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  const bench = testBench();
  const run = async (todo: readonly Step[]) => {
    writeFileSync(file, '');
    const { source, route, seen } = watched(file);
    const { fd } = source;
    const flying: Segment[] = [];
    for (const step of todo) {
      const { state } = source.file;
      const position = source.position;
      seen.length = 0;
      if (step === 'grow') appendFileSync(file, 'line\n');
      else if (step === 'read') {
        bench.records.reset();
        const { segment } = await source.fill(bench);
        if (segment) flying.push(segment);
        if (source.isClosed) assert.equal(segment, undefined, 'a closed source has read');
      } else if (step === 'acknowledge' || step === 'return') {
        const segment = flying.shift();
        if (segment && step === 'acknowledge') source.acknowledged(segment);
        else if (segment) source.returned(segment);
      } else if (transition(state, step)) source.apply(step);
      else {
        assert.throws(() => source.apply(step), { name: 'AssertionError' });
        assert.equal(source.file.state, state, 'an illegal event has changed the state');
      }
      const { activity, phase } = source.file.state;
      const mayRead = activity === 'reading' || activity === 'draining';
      assert.equal(source.usesRoute(route), mayRead);
      assert.ok(mayRead || !seen.includes('wake'), `woken while it is ${activity}`);
      assert.equal(source.file.checkpoint.phase, phase);
      assert.ok(source.position >= position, 'the position went back');
      assert.equal(source.settled, flying.length === 0);
    }
    closeSync(fd);
  };
  await fc.assert(fc.asyncProperty(steps, run), { numRuns: 300 });
});

test('a segment has one outcome: a second one throws', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  writeFileSync(file, 'line\n');
  const { source } = watched(file);
  const { segment } = await source.fill(testBench());
  assert.ok(segment);
  source.acknowledged(segment);
  assert.throws(() => source.returned(segment), /a segment has two outcomes/);
  closeSync(source.fd);
});

test('a change of the state has its effects, and an event that changes nothing has none', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  writeFileSync(file, 'line\n');
  const { source, seen } = watched(file);
  const effectsOf = (event: LifecycleEvent) => {
    seen.length = 0;
    source.apply(event);
    return [...seen];
  };
  assert.deepEqual(effectsOf('found'), []);
  assert.deepEqual(effectsOf('left'), ['report']);
  assert.deepEqual(effectsOf('left'), []);
  assert.deepEqual(effectsOf('quiet'), ['wake']);
  assert.deepEqual(effectsOf('quiet'), []);
  assert.deepEqual(effectsOf('rotated'), ['store rotated']);
  assert.deepEqual(effectsOf('ended'), ['store ended']);
  closeSync(source.fd);
});
