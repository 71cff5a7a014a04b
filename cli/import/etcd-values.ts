import { Etcd3 } from 'etcd3';
import { errorText } from '../../runtime/errors.ts';
import { httpUrl } from '../../runtime/host-port.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import type { KeyTemplate } from './key-template.ts';

export interface EtcdSource {
  /** `host:port` or URLs, separated by commas. */
  addresses: string;
  timeoutMs: number;
  user: { username: string; password: string } | undefined;
}

/** A key and its value. `host` is empty when the key is for all hosts. */
export interface EtcdValue {
  key: string;
  value: string;
  host: string;
}

/**
 * Reads a key, or the keys of all hosts. Uses gRPC: unlike those of the JSON gateway, its paths
 * have not changed since etcd 3.0.
 */
export async function etcdValues(source: EtcdSource, template: KeyTemplate): Promise<EtcdValue[]> {
  const { timeoutMs, user } = source;
  const client = new Etcd3({
    hosts: hostsOf(source.addresses),
    ...(user && { auth: user }),
    defaultCallOptions: () => ({ deadline: new Date(Date.now() + timeoutMs) }),
  });
  try {
    const { kvs } = template.isExact
      ? await client.get(template.prefix).exec()
      : await client.getAll().prefix(template.prefix).exec();
    return kvs.flatMap(({ key, value }) => {
      const host = template.hostOf(key.toString());
      return host === undefined ? [] : [{ key: key.toString(), value: value.toString(), host }];
    });
  } catch (error) {
    const text = `can't read ${template.prefix} from etcd at ${source.addresses}: ${errorText(error)}`;
    throw new CliError(exitCodes.unreachable, text, { cause: error });
  } finally {
    client.close();
  }
}

function hostsOf(addresses: string): string[] {
  return addresses
    .split(',')
    .map((text) => text.trim())
    .filter(Boolean)
    .map((text) => {
      const url = httpUrl(text) ?? httpUrl(`${text}:2379`);
      if (url === undefined)
        throw new CliError(exitCodes.usage, `--etcd: ${JSON.stringify(text)} is not an address: give HOST:PORT`);
      return url;
    });
}
