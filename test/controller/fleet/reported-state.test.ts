import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DesiredSets } from '../../../controller/desired/desired-sets.ts';
import { ReportedState } from '../../../controller/fleet/reported-state.ts';
import { Report } from '../../../proto/gen/logfleet/v1/agent_service.ts';
import { Fact } from '../../../proto/gen/logfleet/v1/fact.ts';
import { AgentHealth, AgentIdentity } from '../../../proto/gen/logfleet/v1/fleet.ts';
import { systemClock } from '../../../runtime/clock.ts';

test('a report whose times can not be told to anybody again is refused', () => {
  const now = new Date(0);
  const state = new ReportedState(AgentIdentity.create(), { sets: {} as DesiredSets, clock: systemClock, now });
  const time = new Date(Number.NaN);
  const health = Report.create({ health: AgentHealth.create({ startTime: time }) });
  assert.throws(() => state.take(health, now), /report\.health\.start_time: is no time/);
  const fact = Report.create({ facts: [Fact.create({ id: 'a', time, kind: { $case: 'loss', value: {} as never } })] });
  assert.throws(() => state.take(fact, now), /report\.facts\.time: is no time/);
  assert.deepEqual([state.health, state.facts], [undefined, []]);
});
