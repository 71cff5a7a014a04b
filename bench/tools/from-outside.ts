import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { cacheFolder } from '../../stack/cache.ts';

/** A public command that talks to gRPC servers or to etcd. */
export interface OutsideTool {
  name: string;
  /** Its folder in the cache. */
  folder: string;
  source: string;
  version: string;
}

export const GRPCURL: OutsideTool = {
  ...{ name: 'grpcurl', folder: 'bench/grpcurl-1.9.4', version: 'v1.9.4' },
  source: 'github.com/fullstorydev/grpcurl/cmd/grpcurl',
};
export const GHZ: OutsideTool = {
  ...{ name: 'ghz', folder: 'bench/ghz-0.93.0', version: 'v0.93.0', source: 'github.com/bojand/ghz/cmd/ghz' },
};
export const ETCDCTL: OutsideTool = {
  ...{ name: 'etcdctl', folder: 'bench/etcdctl-3.6.7', version: 'v3.6.7', source: 'go.etcd.io/etcd/etcdctl/v3' },
};

/** Its path on this machine; undefined if it is neither on PATH nor built. */
export async function findOutside({ name, folder }: OutsideTool): Promise<string | undefined> {
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((part) => join(part, name));
  for (const path of [...onPath, join(cacheFolder(), folder, name)]) {
    try {
      await access(path);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}
