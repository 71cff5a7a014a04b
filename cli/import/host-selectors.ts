import { isIP } from 'node:net';
import type { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import { parseSelector } from '../../proto/rules/selector.ts';

/** How hosts become selectors. */
export interface HostSelectorOptions {
  /** The label of the agents that has what the keys call a host; undefined: `host`, which is the host's name. */
  label: string | undefined;
  /** What holds besides, for all entries; may be empty. */
  also: string;
  /** Asked for when a host is an address, of which no label of the agents' own tells. */
  agents(): Promise<readonly Agent[]>;
}

/** The selector for each host that has one, and why the others have none. */
export async function hostSelectors(
  hosts: ReadonlySet<string>,
  options: HostSelectorOptions,
): Promise<{ selectors: Map<string, string>; problems: Map<string, string> }> {
  const selectors = new Map<string, string>();
  const problems = new Map<string, string>();
  const isAsked = options.label === undefined && [...hosts].some((host) => isIP(host) !== 0);
  const agents = isAsked ? await options.agents() : [];
  for (const host of hosts) {
    const own = host === '' ? { selector: '' } : selectorOf(host, options.label, agents);
    if ('problem' in own) problems.set(host, own.problem);
    else selectors.set(host, [own.selector, options.also].filter(Boolean).join(','));
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
  const remedy = 'or give --host-label with a label of the agents that has it';
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
