import { hostname, networkInterfaces, platform } from 'node:os';
import { AgentIdentity } from '../../proto/gen/logfleet/v1/fleet.ts';
import { version } from '../../runtime/version.ts';
import type { AgentConfig } from './agent-config.ts';

/** The agent's identity, from its configuration and its host. */
export function agentIdentity(config: AgentConfig): AgentIdentity {
  return AgentIdentity.create({
    agentId: config.id,
    host: hostname(),
    os: platform(),
    version,
    addresses: hostAddresses(),
    labels: config.labels,
  });
}

function hostAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.filter(({ internal }) => !internal).map(({ address }) => address);
}
