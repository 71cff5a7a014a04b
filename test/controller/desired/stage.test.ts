import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { agentNumber, nextStage, stageTest, wantedCount } from '../../../controller/desired/stage.ts';
import { RolloutStage } from '../../../proto/gen/logfleet/v1/rollout.ts';
import { parseCanary } from '../../../proto/rules/rollout-rules.ts';
import { parseSelector } from '../../../proto/rules/selector.ts';

interface Agent extends Record<string, string> {
  agent: string;
  role: string;
}

const agents = fc
  .uniqueArray(fc.stringMatching(/^[a-z0-9]{1,12}$/), { maxLength: 60 })
  .chain((ids) =>
    fc.tuple(...ids.map((agent) => fc.constantFrom('web', 'db', 'cache').map((role): Agent => ({ agent, role })))),
  );
const canary = fc.oneof(
  fc.integer({ min: 1, max: 70 }).map(String),
  fc.integer({ min: 1, max: 100 }).map((part) => `${part}%`),
  fc.constantFrom('role=web', 'role in (db,cache)', 'all'),
);

/** Begins a step as the elected controller does. */
function begin(id: string, present: RolloutStage, text: string, connected: readonly Agent[]): RolloutStage {
  const step = parseCanary(text);
  const { isSelected } = stageTest({ id, stage: present });
  const selected = connected.filter(isSelected).length;
  const missing = Math.max(0, (wantedCount(step, connected.length) ?? 0) - selected);
  const numbers = connected.filter((agent) => !isSelected(agent)).map(({ agent }) => agentNumber(id, agent));
  return nextStage(present, step, { numbers, missing });
}

test('a step has as many agents as it asks for, or those of previous steps if they are more, and no agent leaves the stage', () => {
  fc.assert(
    fc.property(fc.uuid(), agents, fc.array(canary, { maxLength: 8 }), (id, connected, steps) => {
      let stage = RolloutStage.create();
      for (const text of steps) {
        const next = begin(id, stage, text, connected);
        const [before, after] = [stageTest({ id, stage }), stageTest({ id, stage: next })];
        const inBefore = connected.filter(before.includes);
        const inAfter = new Set(connected.filter(after.includes));
        assert.ok(inBefore.every((agent) => inAfter.has(agent)));
        const step = parseCanary(text);
        const wanted = wantedCount(step, connected.length);
        if (step.kind === 'all') assert.equal(inAfter.size, connected.length);
        else if (step.kind === 'selector') {
          const { matches } = parseSelector(step.selector);
          for (const agent of connected) assert.equal(inAfter.has(agent), matches(agent) || inBefore.includes(agent));
        } else assert.equal(inAfter.size, Math.max(inBefore.length, Math.min(wanted as number, connected.length)));
        stage = next;
      }
    }),
    { numRuns: 300 },
  );
});

test('agents that connect later are in a stage as often as the others', () => {
  const all = Array.from({ length: 20_000 }, (_, index): Agent => ({ agent: `web-${index}`, role: 'web' }));
  const id = '0d1ba1f2-4e0c-4d7e-9c2c-6a8f0f3f7a11';
  const stage = begin(id, RolloutStage.create(), '10%', all.slice(0, 10_000));
  const { includes } = stageTest({ id, stage });
  assert.equal(all.slice(0, 10_000).filter(includes).length, 1_000);
  const later = all.slice(10_000).filter(includes).length;
  assert.ok(later > 850 && later < 1_150, String(later));
  // Another rollout begins with other agents.
  const other = stageTest({ id: `${id}x`, stage });
  assert.ok(all.filter(includes).filter(other.includes).length < 400);
});
