import { isIP } from 'node:net';
import { CliError, exitCodes } from '../output/cli-error.ts';

/** A key of etcd's, or one key for each host. */
export interface KeyTemplate {
  /** What all keys begin with; all of the key when there is one only. */
  prefix: string;
  isExact: boolean;
  /** The host that a key is of, '' when it is of none; undefined for a key that is not meant. */
  hostOf(key: string): string | undefined;
}

/** `%s` as Go's Sprintf takes it, `${ip}`, `{ip}`, and `*`. */
const PLACE = /%[sv]|\$?\{[^}]*\}|\*/;

/**
 * Understands `/logagent/collect_config` and, with a place for the host, `/logagent/%s/collect_config`. With `hostFromKey` a key without a place
 * is of the host whose address it contains, or which its last part names.
 */
export function keyTemplate(text: string, hostFromKey: boolean): KeyTemplate {
  const place = PLACE.exec(text);
  if (!place) return { prefix: text, isExact: true, hostOf: () => (hostFromKey ? hostIn(text) : '') };
  const prefix = text.slice(0, place.index);
  const suffix = text.slice(place.index + place[0].length);
  if (PLACE.test(suffix)) throw new CliError(exitCodes.usage, `--key: ${text} has more than one place for the host`);
  return {
    prefix,
    isExact: false,
    hostOf: (key) => {
      const host = key.slice(prefix.length, key.length - suffix.length);
      const isMeant = key.startsWith(prefix) && key.endsWith(suffix) && host !== '' && !host.includes('/');
      return isMeant && key.length > prefix.length + suffix.length ? host : undefined;
    },
  };
}

/** The address that a key contains, if it does. */
export function addressIn(key: string): string | undefined {
  return key.match(/\d+(?:\.\d+){3}/g)?.find((text) => isIP(text) === 4);
}

function hostIn(key: string): string {
  return addressIn(key) ?? key.split('/').filter(Boolean).at(-1) ?? '';
}
