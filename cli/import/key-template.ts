import { isIP } from 'node:net';
import { CliError, exitCodes } from '../output/cli-error.ts';

/** A key in etcd, or a pattern for one key per host. */
export interface KeyTemplate {
  /** The common beginning of all keys; the whole key if it is exact. */
  prefix: string;
  isExact: boolean;
  /** The host of a key, '' for all hosts; undefined for a key that does not match. */
  hostOf(key: string): string | undefined;
}

/** `%s` as Go's Sprintf takes it, `${ip}`, `{ip}`, and `*`. */
const PLACEHOLDER = /%[sv]|\$?\{[^}]*\}|\*/;

/**
 * Parses `/logagent/collect_config`, or `/logagent/%s/collect_config` with a placeholder for the
 * host. With `hostFromKey` an exact key is for the host whose address it contains, or that its last
 * part names.
 */
export function keyTemplate(text: string, hostFromKey: boolean): KeyTemplate {
  const placeholder = PLACEHOLDER.exec(text);
  if (!placeholder) return { prefix: text, isExact: true, hostOf: () => (hostFromKey ? hostIn(text) : '') };
  const prefix = text.slice(0, placeholder.index);
  const suffix = text.slice(placeholder.index + placeholder[0].length);
  if (PLACEHOLDER.test(suffix))
    throw new CliError(exitCodes.usage, `--key: ${text} has more than one placeholder for the host`);
  return {
    prefix,
    isExact: false,
    hostOf: (key) => {
      const host = key.slice(prefix.length, key.length - suffix.length);
      const matches = key.startsWith(prefix) && key.endsWith(suffix) && host !== '' && !host.includes('/');
      return matches && key.length > prefix.length + suffix.length ? host : undefined;
    },
  };
}

/** The IPv4 address that a key contains. */
export function addressIn(key: string): string | undefined {
  return key.match(/\d+(?:\.\d+){3}/g)?.find((text) => isIP(text) === 4);
}

function hostIn(key: string): string {
  return addressIn(key) ?? key.split('/').filter(Boolean).at(-1) ?? '';
}
