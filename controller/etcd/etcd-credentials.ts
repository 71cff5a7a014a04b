import { ChannelCredentials } from '@grpc/grpc-js';
import type { Etcd3 } from 'etcd3';
import type { TlsMaterial } from '../../runtime/security.ts';

/** For etcd3's options. */
export function etcdCredentials({ ca, cert, key }: TlsMaterial) {
  return {
    rootCertificate: ca as Buffer,
    ...(key && { privateKey: key }),
    ...(cert && { certChain: cert }),
  };
}

/** The private fields of etcd3 1.1.2 that hold the credentials. */
interface EtcdPool {
  authenticator: { credentials: ChannelCredentials };
  hosts: { channelCredentials: ChannelCredentials; resetAllServices(): void }[];
}

/**
 * Makes new connections of `client` use other credentials. etcd3 takes credentials only when it is
 * created, and a new client would end the leases of the old one. Calls and watches in progress
 * continue on their connections: `resetAllServices` closes a channel to new calls only.
 */
export function replaceCredentials(client: Etcd3, { ca, cert, key }: TlsMaterial): void {
  const credentials = ChannelCredentials.createSsl(ca ?? null, key ?? null, cert ?? null);
  const { authenticator, hosts } = client['pool'] as unknown as EtcdPool;
  authenticator.credentials = credentials;
  for (const host of hosts) {
    host.channelCredentials = credentials;
    host.resetAllServices();
  }
}
