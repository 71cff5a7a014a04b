import { shortAgentName, shortEntryName } from '../../proto/rules/names.ts';
import { errorText } from '../../runtime/errors.ts';
import type { ConnectionOptions } from '../rpc/channel.ts';
import { connect } from '../rpc/client.ts';
import type { NameSource } from './candidates.ts';

/** A user does not wait longer for Tab. */
const TIMEOUT_MS = 1_500;
/** One page: more names do not help a reader. */
const NAMES_MAX = 1_000;

/**
 * The names that the controller of the line knows, or else that of `defaults`. Without a response
 * there are none, and standard error says why; the completion scripts hide it.
 */
export function controllerNames(defaults: Omit<ConnectionOptions, 'timeoutMs'>): NameSource {
  return async (kind, given) => {
    try {
      using api = await connect({ ...withGiven(defaults, given), timeoutMs: TIMEOUT_MS });
      const request = { pageSize: NAMES_MAX };
      if (kind === 'entry') {
        const { entries } = await api.call((options) => api.entries.listEntries(request, options));
        return entries.map(({ name }) => shortEntryName(name));
      }
      const { agents } = await api.call((options) => api.fleet.listAgents(request, options));
      return agents.map(({ name }) => shortAgentName(name));
    } catch (error) {
      process.stderr.write(`no completions: ${errorText(error)}\n`);
      return [];
    }
  };
}

function withGiven(defaults: Omit<ConnectionOptions, 'timeoutMs'>, given: ReadonlyMap<string, string>) {
  const flags = { controller: '--controller', caFile: '--ca-file', certFile: '--cert-file', keyFile: '--key-file' };
  const own = Object.entries(flags).flatMap(([key, flag]) => {
    const value = given.get(flag);
    return value === undefined ? [] : [[key, value] as const];
  });
  return { ...defaults, ...(given.has('--tls') && { tls: true }), ...Object.fromEntries(own) };
}
