import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { EntryStore } from './entries/entry-store.ts';
import type { FleetSums } from './fleet/entry-sums.ts';
import type { Fleet } from './fleet/fleet.ts';
import type { Peers } from './fleet/peers.ts';
import { AgentQuestions } from './rpc/agent-questions.ts';
import { EntryStates } from './rpc/entry-states.ts';
import { type FleetParts, FleetService } from './rpc/fleet-service.ts';
import { SettingsCalls } from './rpc/settings-calls.ts';
import type { SettingsStore } from './settings/settings-store.ts';

/** What answers about the fleet. */
export function createFleetService(
  parts: Pick<FleetParts, 'forget' | 'alerts'> & {
    store: EntryStore;
    settings: SettingsStore;
    fleet: Fleet;
    peers: Peers;
    sums: FleetSums;
  },
  tools: { clock: Clock; logger: Logger },
): FleetService {
  const { store, settings, fleet, peers, sums, forget, alerts } = parts;
  const questions = new AgentQuestions({ fleet, peers, store, clock: tools.clock });
  const calls = new SettingsCalls({ settings, entries: store, clock: tools.clock });
  const states = new EntryStates(store, sums, peers);
  return new FleetService(fleet, peers, { questions, settings: calls, states, forget, alerts }, tools);
}
