import { Etcd3 } from 'etcd3';
import { type Etcd, startEtcd } from '../../stack/etcd.ts';
import { freePort } from '../../stack/free-port.ts';
import { tempDir } from './temp-dir.ts';

/** Three real etcd processes that form one cluster. */
export interface EtcdCluster extends AsyncDisposable {
  readonly members: readonly Etcd[];
  readonly endpoints: string[];
  /** The index of the leader, as the members in `among` report it. */
  leader(among?: readonly Etcd[]): Promise<Etcd>;
}

export async function startEtcdCluster(...flags: string[]): Promise<EtcdCluster> {
  const dir = await tempDir('cluster');
  const ports = [await freePort(), await freePort(), await freePort()];
  const all = ports.map((port, index) => `m${index}=http://127.0.0.1:${port}`).join(',');
  const members = await Promise.all(
    ports.map((peerPort, index) =>
      startEtcd({ dataDir: dir.at(`m${index}`), member: { name: `m${index}`, peerPort, all }, flags }),
    ),
  );
  return {
    members,
    endpoints: members.map(({ endpoint }) => endpoint),
    leader: async (among = members) => {
      for (const member of among) {
        const client = new Etcd3({ hosts: member.endpoint });
        const { header, leader } = await client.maintenance.status().finally(() => client.close());
        if (header.member_id === leader) return member;
      }
      throw new Error('none of them leads');
    },
    [Symbol.asyncDispose]: async () => {
      // A process stopped by SIGSTOP reacts to no other signal.
      await Promise.all(members.map((member) => member.kill('SIGKILL')));
      await dir[Symbol.asyncDispose]();
    },
  };
}
