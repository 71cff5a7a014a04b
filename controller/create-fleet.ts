import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { DesiredSets } from './desired/desired-sets.ts';
import type { EtcdClient } from './etcd/etcd-client.ts';
import type { EtcdMirror } from './etcd/etcd-mirror.ts';
import type { Keyspace } from './etcd/keyspace.ts';
import { AgentClaims } from './fleet/agent-claims.ts';
import { AgentDirectory } from './fleet/agent-directory.ts';
import { AgentForgetter } from './fleet/agent-forgetter.ts';
import { AgentRegistry } from './fleet/agent-registry.ts';
import { ConnectedAgents } from './fleet/connected-agents.ts';
import { ControllerLease } from './fleet/controller-lease.ts';
import { FleetMarker } from './fleet/fleet-marker.ts';
import { LiveControllers } from './fleet/live-controllers.ts';
import { Rebalancer } from './fleet/rebalancer.ts';
import type { SettingsRepository } from './settings/settings-repository.ts';

interface FleetParts {
  client: EtcdClient;
  mirror: EtcdMirror;
  keys: Keyspace;
  desired: DesiredSets;
  settings: SettingsRepository;
}

export interface Fleet {
  lease: ControllerLease;
  controllers: LiveControllers;
  connected: ConnectedAgents;
  agents: AgentDirectory;
  rebalancer: Rebalancer;
  forgetter: AgentForgetter;
}

/**
 * Creates what knows the agents and the other controllers, from etcd and from the agents' streams.
 */
export function createFleet(
  { client, mirror, keys, desired, settings }: FleetParts,
  { controllerId, leaseTtlMs }: { controllerId: string; leaseTtlMs: number },
  tools: { clock: Clock; logger: Logger },
): Fleet {
  const registry = new AgentRegistry(mirror, keys, tools);
  const controllers = new LiveControllers(mirror, keys.controllers, controllerId, tools.logger);
  const claims = new AgentClaims({ client, keys }, registry, controllerId, tools.logger);
  const leaseOptions = { keys: keys.controllers, ttlMs: leaseTtlMs };
  const lease = new ControllerLease(client, controllers, claims, leaseOptions, tools);
  const rebalancer = new Rebalancer(controllers, registry, tools);
  const listControllers = () => rebalancer.listControllers();
  const marker = new FleetMarker({ client, mirror, keys }, tools.logger);
  const connected = new ConnectedAgents(controllerId, { claims, desired, settings, marker, listControllers }, tools);
  return {
    ...{ lease, controllers, connected, rebalancer },
    agents: new AgentDirectory(controllerId, connected, registry),
    forgetter: new AgentForgetter({ client, mirror, keys }, registry, controllerId, tools),
  };
}
