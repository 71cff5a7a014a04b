import { Agent, type AgentHealth } from '../../proto/gen/logfleet/v1/fleet.ts';
import { selectorLabels } from '../../proto/rules/agent-labels.ts';
import { agentName, shortAgentName } from '../../proto/rules/names.ts';
import { formatByteSize, formatDuration } from '../../runtime/units.ts';
import { age, count } from '../output/format.ts';
import { listAgents } from '../rpc/lists.ts';
import { agentStatus, clockSkew, cores, descriptors, labelsText, liveHealth } from './agent-cells.ts';
import { agentFilterFields } from './agent-filter.ts';
import { describeAgent } from './describe-agent.ts';
import type { Kind } from './kind.ts';

export const agents: Kind<Agent> = {
  singular: 'agent',
  plural: 'agents',
  summary: 'the hosts that collect, and how they are doing',
  filters: ['names', 'watch', 'selector', 'entry', 'sortBy', 'state', 'liveness', 'minLag'],
  id: ({ name }) => shortAgentName(name),
  document: (agent) => ({ ...Object(Agent.toJSON(agent)), status: agentStatus(agent) }),
  get: (api, name) => api.call((options) => api.fleet.getAgent({ name: agentName(name) }, options)),
  list: (api, filter) => {
    const { selector: labelSelector = '', includeFiles } = filter;
    return listAgents(api, { labelSelector, includeFiles, ...agentFilterFields(filter) });
  },
  watch: async function* (api, name, filter) {
    const { selector: labelSelector = '', includeFiles } = filter;
    const { liveness, entry, entryState } = agentFilterFields(filter);
    const request = { labelSelector, includeFiles, liveness, entry, entryState, name: name && agentName(name) };
    for await (const { kind, agent } of api.follow(api.fleet.watchAgents(request)))
      yield agent && { item: agent, isDeleted: kind === 'KIND_REMOVED' };
  },
  describe: describeAgent,
  columns: [
    { title: 'NAME', value: ({ name }) => shortAgentName(name) },
    { title: 'STATUS', value: (agent) => agentStatus(agent) },
    { title: 'HOST', value: ({ identity }) => identity?.host ?? '-' },
    { title: 'VERSION', value: ({ identity }) => identity?.version ?? '-' },
    { title: 'ENTRIES', value: ({ entries }) => String(entries.length) },
    { title: 'FILES', value: ({ fileCount }) => String(fileCount) },
    { title: 'LAG', value: ({ health }) => (health ? formatByteSize(health.lagBytes) : '-') },
    { title: 'BEHIND', value: ({ health }) => (health ? formatDuration(health.lagSeconds) : '-') },
    { title: 'LOST', value: ({ health }) => (health ? formatByteSize(health.lostBytes) : '-') },
    { title: 'LINES/S', value: liveCell(({ linesPerSecond }) => count(linesPerSecond)) },
    { title: 'BYTES/S', value: liveCell(({ bytesPerSecond }) => formatByteSize(bytesPerSecond)) },
    { title: 'LAST-SEEN', value: ({ lastSeenTime }) => age(lastSeenTime) },
  ],
  wideColumns: [
    { title: 'CONTROLLER', value: ({ controller }) => controller },
    { title: 'CPU', value: liveCell(cores) },
    { title: 'MEMORY', value: liveCell(({ residentBytes }) => formatByteSize(residentBytes)) },
    { title: 'FDS', value: liveCell(descriptors) },
    { title: 'PINNED', value: liveCell(({ pinnedBytes }) => formatByteSize(pinnedBytes)) },
    { title: 'SKEW', value: clockSkew },
    { title: 'UP', value: liveCell(({ startTime }) => age(startTime)) },
    { title: 'ADDRESSES', value: ({ identity }) => identity?.addresses.join(',') || '-' },
    { title: 'LABELS', value: ({ identity }) => (identity ? labelsText(selectorLabels(identity)) : '-') },
    { title: 'ERROR', value: ({ health, error }) => health?.error || error || '-' },
  ],
};

/** The value of a running process; `-` for an agent that is not connected. */
function liveCell(value: (health: AgentHealth) => string): (agent: Agent) => string {
  return (agent) => {
    const health = liveHealth(agent);
    return health ? value(health) : '-';
  };
}
