import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { Peers } from '../../../controller/fleet/peers.ts';
import { FleetServiceDefinition } from '../../../proto/gen/logfleet/v1/fleet_service.ts';
import type { TlsMaterial } from '../../../runtime/security.ts';
import { createAuthority, type TestAuthority } from '../../support/certificates.ts';

/** A server that responds to ListConditions after `delay`, for clients of this authority only. */
async function startPeer(authority: TestAuthority, port = 0, delay: () => Promise<void> = async () => {}) {
  const { key, cert } = await authority.issue('peer');
  const server = new Server();
  const path = `/${FleetServiceDefinition.fullName}/ListConditions`;
  const bytes = { requestSerialize: identity, requestDeserialize: identity };
  const responses = { responseSerialize: identity, responseDeserialize: identity };
  server.addService(
    { list: { path, requestStream: false, responseStream: false, ...bytes, ...responses } },
    {
      list: (_call: unknown, callback: (error: null, response: Buffer) => void) =>
        void delay().then(() => callback(null, Buffer.alloc(0))),
    },
  );
  const pair = { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) };
  const credentials = ServerCredentials.createSsl(Buffer.from(authority.cert), [pair], true);
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, at) => (error ? reject(error) : resolve(at))),
  );
  return { port: bound, stop: () => server.forceShutdown() };
}

function identity(bytes: Buffer): Buffer {
  return bytes;
}

async function materialOf(authority: TestAuthority): Promise<TlsMaterial> {
  const { key, cert } = await authority.issue('controller');
  return { ca: Buffer.from(authority.cert), key: Buffer.from(key), cert: Buffer.from(cert) };
}

test('another controller is reached with the current certificates, also after all were replaced', async () => {
  const [first, second] = [await createAuthority('first'), await createAuthority('second')];
  const tls = { current: await materialOf(first) };
  let peer = await startPeer(first);
  const { port } = peer;
  const peers = new Peers({ otherAddresses: () => new Map([['other', `127.0.0.1:${port}`]]) }, tls);
  try {
    await peers.find('other')?.listConditions({});
    const [known] = peers.all();
    peer.stop();
    peer = await startPeer(second, port);
    await assert.rejects(async () => known?.fleet.listConditions({}), /certificate/);
    tls.current = await materialOf(second);
    await peers.find('other')?.listConditions({});
    await peers.all()[0]?.fleet.listConditions({});
  } finally {
    peers.close();
    peer.stop();
  }
});

test('a call in progress continues while the certificates are replaced', async () => {
  const [first, second] = [await createAuthority('first'), await createAuthority('second')];
  const tls = { current: await materialOf(first) };
  const arrived = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const peer = await startPeer(first, 0, () => {
    arrived.resolve();
    return released.promise;
  });
  const peers = new Peers({ otherAddresses: () => new Map([['other', `127.0.0.1:${peer.port}`]]) }, tls);
  try {
    const inProgress = peers.find('other')?.listConditions({});
    await arrived.promise;
    tls.current = await materialOf(second);
    await assert.rejects(async () => peers.find('other')?.listConditions({}), /certificate/);
    released.resolve();
    await inProgress;
  } finally {
    peers.close();
    peer.stop();
  }
});
