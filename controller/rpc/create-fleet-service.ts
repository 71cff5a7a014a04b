import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { EntryStore } from '../entry-store.ts';
import type { FleetSums } from '../fleet/entry-sums.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { SettingsStore } from '../settings/settings-store.ts';
import { AgentQuestions } from './agent-questions.ts';
import { EntryStates } from './entry-states.ts';
import { type FleetParts, FleetService } from './fleet-service.ts';
import type { Peers } from './peers.ts';
import { SettingsCalls } from './settings-calls.ts';

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
