import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentSettings } from '../../../proto/gen/logfleet/v1/agent_settings.ts';
import { RolloutPlan } from '../../../proto/gen/logfleet/v1/rollout.ts';
import { loadReference } from '../../../proto/reference/reference.ts';
import { agentSettingsViolations } from '../../../proto/rules/agent-settings-rules.ts';
import { planViolations, withPlanDefaults } from '../../../proto/rules/rollout-rules.ts';

const reference = loadReference();

function fieldOf(message: string, name: string) {
  const field = reference.get(`logfleet.v1.${message}`)?.fields.find((each) => each.name === name);
  return field ?? assert.fail(`${message} has no field ${name}`);
}

/** The first and the last value of documented bounds, such as `1 to 20 steps`. */
function boundsOf(message: string, name: string): [min: number, max: number] {
  const [, min = '', max = ''] = /([\d,]+) to ([\d,]+)/.exec(fieldOf(message, name).bounds ?? '') ?? [];
  return [Number(min.replaceAll(',', '')), Number(max.replaceAll(',', ''))];
}

test('every message and every field of the contract is documented', () => {
  assert.ok(reference.size > 100);
  for (const [name, { description, fields }] of reference) {
    assert.ok(description.length > 0, name);
    for (const field of fields) assert.ok(field.description.length > 0, `${name}.${field.name}`);
  }
});

test('types, objects and enums are those of the .proto files', () => {
  assert.equal(fieldOf('Entry', 'labels').type, 'map[string]string');
  assert.equal(fieldOf('Entry', 'create_time').type, 'timestamp');
  const steps = fieldOf('RolloutPlan', 'steps');
  assert.deepEqual([steps.type, steps.message], ['[]object', 'logfleet.v1.RolloutStep']);
  const names = fieldOf('Agent', 'liveness').enumValues.map(({ name }) => name);
  assert.deepEqual(names, ['LIVENESS_LIVE', 'LIVENESS_STOPPED', 'LIVENESS_LOST']);
});

test('documented bounds and defaults of plans and settings are those of the rules', () => {
  const stepCounts = boundsOf('RolloutPlan', 'steps');
  const planOf = (count: number, waitMs = 0) =>
    RolloutPlan.fromPartial({
      steps: Array.from({ length: count }, (_, at) => ({
        canary: at === count - 1 ? 'all' : '1',
        waitMs: BigInt(waitMs),
      })),
    });
  for (const count of stepCounts) assert.deepEqual(planViolations(planOf(count)), []);
  for (const count of [stepCounts[0] - 1, stepCounts[1] + 1]) assert.equal(planViolations(planOf(count)).length, 1);
  const [, waitMax] = boundsOf('RolloutStep', 'wait_ms');
  assert.deepEqual(planViolations(planOf(1, waitMax)), []);
  assert.equal(planViolations(planOf(1, waitMax + 1)).length, 1);
  const filled = withPlanDefaults(planOf(1));
  assert.equal(fieldOf('RolloutPlan', 'on_failure').default, `\`${filled.onFailure}\``);
  assert.equal(fieldOf('RolloutPlan', 'progress_deadline_ms').default, String(filled.progressDeadlineMs));
  const entriesMax = Number(
    /\d[\d,]*/.exec(fieldOf('AgentSettings', 'paused_entries').bounds ?? '')?.[0].replace(',', ''),
  );
  const settingsOf = (count: number) =>
    AgentSettings.fromPartial({ pausedEntries: Array.from({ length: count }, (_, at) => `entries/e${at}`) });
  assert.deepEqual(agentSettingsViolations(settingsOf(entriesMax)), []);
  assert.equal(agentSettingsViolations(settingsOf(entriesMax + 1)).length, 1);
});
