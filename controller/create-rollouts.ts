import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Fleet } from './fleet/fleet.ts';
import type { Peers } from './fleet/peers.ts';
import { Census } from './rollouts/census.ts';
import { type MoverParts, RolloutMover } from './rollouts/mover.ts';
import { RolloutService } from './rpc/rollout-service.ts';

/** What moves rollouts on, and what tells of them. */
export function createRollouts(
  parts: Omit<MoverParts, 'census'> & { fleet: Fleet; peers: Peers },
  tools: { clock: Clock; logger: Logger },
): { mover: RolloutMover; service: RolloutService } {
  const census = new Census(parts, tools);
  return {
    mover: new RolloutMover({ ...parts, census }, tools),
    service: new RolloutService({ ...parts, census }, tools),
  };
}
