import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agentStatus } from '../../../cli/kinds/agent-cells.ts';
import { agents } from '../../../cli/kinds/agents.ts';
import { Agent, AgentHealth, type Drain, EntryStatus } from '../../../proto/gen/logfleet/v1/fleet.ts';

const paused = EntryStatus.create({ state: 'STATE_PAUSED' });
const applied = EntryStatus.create({ state: 'STATE_APPLIED' });
const failed = EntryStatus.create({ state: 'STATE_FAILED' });

function connected(entries: EntryStatus[], drain?: Drain['state']): Agent {
  const health = AgentHealth.create({ drain: drain && { state: drain } });
  return Agent.create({ name: 'agents/a', liveness: 'LIVENESS_LIVE', health, entries });
}

test('the status of a connected agent is Live, Paused, Draining, Drained or Failing, in tables and in JSON', () => {
  const cases: [Agent, string][] = [
    [connected([applied]), 'Live'],
    [connected([applied, paused]), 'Live'],
    [connected([]), 'Live'],
    [connected([paused, paused]), 'Paused'],
    [connected([paused], 'STATE_DRAINING'), 'Draining'],
    [connected([paused], 'STATE_DRAINED'), 'Drained'],
    [connected([failed, paused], 'STATE_DRAINING'), 'Failing'],
  ];
  for (const [agent, status] of cases) {
    assert.equal(agentStatus(agent), status);
    assert.equal((agents.document(agent) as { status: string }).status, status);
  }
});

test('an agent that is not connected shows no rates and nothing of its process', () => {
  const health = AgentHealth.create({ bytesPerSecond: 5, linesPerSecond: 5, cpuCores: 1, residentBytes: 9n });
  const agent = Agent.create({ name: 'agents/a', liveness: 'LIVENESS_LOST', health, entries: [failed] });
  assert.equal(agentStatus(agent), 'Lost');
  const columns = [...agents.columns, ...agents.wideColumns];
  for (const title of ['LINES/S', 'BYTES/S', 'CPU', 'MEMORY', 'UP'])
    assert.equal(columns.find((column) => column.title === title)?.value(agent), '-', title);
});
