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

/** The private fields of etcd3 1.1.2 that hold the credentials, and the clients made with them. */
interface EtcdPool {
  authenticator: { credentials: ChannelCredentials };
  hosts: { channelCredentials: ChannelCredentials; cachedServices: Record<string, unknown> }[];
}

/**
 * Makes new connections of `client` use other credentials. etcd3 takes credentials only when it is
 * created, and a lease is renewed through the client that granted it, so a new client would lose
 * the leases. The previous channels are not closed: etcd would end the watches on them. grpc-js
 * closes a channel's connection after 30 minutes without a call.
 */
export function replaceCredentials(client: Etcd3, { ca, cert, key }: TlsMaterial): void {
  const credentials = ChannelCredentials.createSsl(ca ?? null, key ?? null, cert ?? null);
  const { authenticator, hosts } = client['pool'] as unknown as EtcdPool;
  authenticator.credentials = credentials;
  for (const host of hosts) {
    host.channelCredentials = credentials;
    host.cachedServices = {};
  }
}
