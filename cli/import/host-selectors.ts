import { isIP } from 'node:net';
import type { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import { parseSelector } from '../../proto/rules/selector.ts';

/** How hosts are converted to selectors. */
export interface HostSelectorOptions {
  /** The agent label that holds what keys call a host; undefined: `host`, the name of the host. */
  label: string | undefined;
  /** A selector that all entries get, too; may be empty. */
  common: string;
  /** Called when a host is an address, because agents have no label with their address. */
  agents(): Promise<readonly Agent[]>;
}

/** The selector of each host, or the reason why it has none. */
export async function hostSelectors(
  hosts: ReadonlySet<string>,
  options: HostSelectorOptions,
): Promise<{ selectors: Map<string, string>; problems: Map<string, string> }> {
  const selectors = new Map<string, string>();
  const problems = new Map<string, string>();
  const needsAgents = options.label === undefined && [...hosts].some((host) => isIP(host) !== 0);
  const agents = needsAgents ? await options.agents() : [];
  for (const host of hosts) {
    const own = host === '' ? { selector: '' } : selectorOf(host, options.label, agents);
    if ('problem' in own) problems.set(host, own.problem);
    else selectors.set(host, [own.selector, options.common].filter(Boolean).join(','));
  }
  return { selectors, problems };
}

function selectorOf(
  host: string,
  label: string | undefined,
  agents: readonly Agent[],
): { selector: string } | { problem: string } {
  if (label !== undefined || isIP(host) === 0) return checked(`${label ?? 'host'}=${host}`);
  const names = new Set(
    agents.filter(({ identity }) => identity?.addresses.includes(host)).map(({ identity }) => identity?.host ?? ''),
  );
  const [name, other] = names;
  const remedy = 'or give --host-label with an agent label that holds it';
  if (name === undefined) return { problem: `no agent has the address ${host}: start one there first, ${remedy}` };
  if (other !== undefined) return { problem: `${[...names].sort().join(' and ')} have the address ${host}: ${remedy}` };
  return checked(`host=${name}`);
}

function checked(selector: string): { selector: string } | { problem: string } {
  try {
    parseSelector(selector);
    return { selector };
  } catch (error) {
    return { problem: (error as Error).message };
  }
}
