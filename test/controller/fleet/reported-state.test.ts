import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DesiredSets } from '../../../controller/desired/desired-sets.ts';
import { ReportedState } from '../../../controller/fleet/reported-state.ts';
import { Report } from '../../../proto/gen/logfleet/v1/agent_service.ts';
import { Fact } from '../../../proto/gen/logfleet/v1/fact.ts';
import { AgentHealth } from '../../../proto/gen/logfleet/v1/fleet.ts';
import { systemClock } from '../../../runtime/clock.ts';

test('a report with an invalid time is refused, because it cannot be serialized again', () => {
  const now = new Date(0);
  const state = new ReportedState('x', { desired: {} as DesiredSets, clock: systemClock, now });
  const time = new Date(Number.NaN);
  const health = Report.create({ health: AgentHealth.create({ startTime: time }) });
  assert.throws(() => state.apply(health, now), /report\.health\.start_time: is not a valid time/);
  const fact = Report.create({ facts: [Fact.create({ id: 'a', time, kind: { $case: 'loss', value: {} as never } })] });
  assert.throws(() => state.apply(fact, now), /report\.facts\.time: is not a valid time/);
  assert.deepEqual([state.health, state.facts], [undefined, []]);
});
