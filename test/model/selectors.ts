/**
 * Selectors and the agents that they match, written by hand, so that the model does not use the
 * code that it judges.
 */
export interface KnownSelector {
  text: string;
  matches(labels: Readonly<Record<string, string>>, agentId: string): boolean;
}

export const SELECTORS: readonly KnownSelector[] = [
  { text: '', matches: () => true },
  { text: 'role=a', matches: ({ role }) => role === 'a' },
  { text: 'role!=a', matches: ({ role }) => role !== 'a' },
  { text: 'env in (prod,stage)', matches: ({ env }) => env === 'prod' || env === 'stage' },
  { text: 'env=prod,role=b', matches: ({ env, role }) => env === 'prod' && role === 'b' },
  { text: '!env', matches: ({ env }) => env === undefined },
  { text: 'agent=agent-1', matches: (_, agentId) => agentId === 'agent-1' },
  { text: 'role=nobody', matches: ({ role }) => role === 'nobody' },
];

/** The labels of agent-0, agent-1 and so on. */
export const AGENT_LABELS: readonly Record<string, string>[] = [
  { role: 'a', env: 'prod' },
  { role: 'b', env: 'prod' },
  { role: 'a', env: 'stage' },
  { role: 'b' },
];
