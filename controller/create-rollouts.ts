import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Assignments } from './desired/assignments.ts';
import type { EntryRepository } from './entries/entry-repository.ts';
import type { EntryView } from './entries/entry-view.ts';
import type { RolloutRepository } from './entries/rollout-repository.ts';
import type { KeyFamily } from './etcd/keyspace.ts';
import type { AgentDirectory } from './fleet/agent-directory.ts';
import type { Peers } from './fleet/peers.ts';
import { Census } from './rollouts/census.ts';
import { RolloutDriver } from './rollouts/rollout-driver.ts';
import { RolloutService } from './rpc/rollout-service.ts';

interface RolloutParts {
  agents: AgentDirectory;
  peers: Peers;
  assignments: Assignments;
  entries: EntryView;
  rollouts: RolloutRepository;
  repository: EntryRepository;
  entryKeys: KeyFamily;
}

/** Creates what moves rollouts, and the calls about them. */
export function createRollouts(
  { agents, peers, assignments, entries, rollouts, repository, entryKeys }: RolloutParts,
  tools: { clock: Clock; logger: Logger },
): { driver: RolloutDriver; service: RolloutService } {
  const census = new Census({ agents, peers, assignments }, tools);
  const parts = { entries, rollouts, assignments, census, repository };
  const { controllerId } = agents;
  return {
    driver: new RolloutDriver(parts, { entryKeys, controllerId }, tools),
    service: new RolloutService(parts, tools),
  };
}
