import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { EntryView } from './entries/entry-view.ts';
import type { FleetSums } from './fleet/entry-sums.ts';
import { AgentRequestCalls } from './rpc/agent-request-calls.ts';
import { AgentWatchCalls } from './rpc/agent-watch-calls.ts';
import { EntryStateCalls } from './rpc/entry-state-calls.ts';
import { FleetService, type FleetServiceParts } from './rpc/fleet-service.ts';
import { SettingsCalls } from './rpc/settings-calls.ts';
import type { SettingsRepository } from './settings/settings-repository.ts';

/** Creates FleetService with the calls that it consists of. */
export function createFleetService(
  parts: Omit<FleetServiceParts, 'calls'> & {
    entries: EntryView;
    settings: SettingsRepository;
    sums: FleetSums;
  },
  tools: { clock: Clock; logger: Logger },
): FleetService {
  const { entries, settings, sums, agents, peers } = parts;
  const { clock } = tools;
  const calls = {
    requests: new AgentRequestCalls({ agents, peers, clock }, entries),
    settings: new SettingsCalls({ settings, entries, clock }),
    states: new EntryStateCalls(entries, sums, peers),
    watches: new AgentWatchCalls(agents, peers, tools),
  };
  return new FleetService({ ...parts, calls }, tools);
}
