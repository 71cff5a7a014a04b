import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { test } from 'node:test';
import { type ServiceError, status } from '@grpc/grpc-js';
import { newPrefix, serves, startController } from '../../support/controllers.ts';
import { rawCall, rawStream } from '../../support/grpc-client.ts';
import { sharedEtcd } from '../../support/servers.ts';

const single = async () => startController(await sharedEtcd(), newPrefix());

test('garbage bytes on the gRPC port close their connection, and other calls continue', async () => {
  await using controller = await single();
  const [host, port] = controller.address.split(':') as [string, string];
  const garbage = [
    randomBytes(4096),
    Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    Buffer.from([0x16, 3, 1, 2, 0]),
  ];
  for (const bytes of garbage) {
    const socket = createConnection(Number(port), host);
    socket.on('error', () => {});
    socket.write(bytes);
    socket.end();
    socket.resume();
    await once(socket, 'close');
  }
  assert.deepEqual((await controller.api.call('EntryService', 'ListEntries', {})).entries, []);
  const { code } = await rawCall(controller.address, '/logfleet.v1.EntryService/CreateEntry', randomBytes(100)).then(
    () => ({ code: status.OK }),
    (error: ServiceError) => error,
  );
  assert.notEqual(code, status.OK);
  assert.deepEqual((await controller.api.call('EntryService', 'ListEntries', {})).entries, []);
});

test('an unknown field is refused, not dropped', async () => {
  await using controller = await single();
  // CreateEntryRequest: entry_id = 1, entry = 2. Entry: paths = 4, topic = 5, and the unknown 999.
  const field = (number: number, bytes: Buffer) => {
    const tag = number * 8 + 2;
    const head = tag < 128 ? [tag] : [(tag & 0x7f) | 0x80, tag >> 7];
    return Buffer.concat([Buffer.from([...head, bytes.length]), bytes]);
  };
  const text = (number: number, value: string) => field(number, Buffer.from(value));
  const send = (more: Buffer) =>
    rawCall(
      controller.address,
      '/logfleet.v1.EntryService/CreateEntry',
      Buffer.concat([text(1, 'app'), field(2, Buffer.concat([text(4, '/x/*.log'), text(5, 't'), more]))]),
    );
  await assert.rejects(send(text(999, 'new')), { code: status.INVALID_ARGUMENT, message: /999/ });
  await send(Buffer.alloc(0));
});

test('reflection responds under both of its names, and grpc.health.v1 reports that the controller serves', async () => {
  await using controller = await single();
  const listServices = Buffer.from([0x3a, 1, 0x2a]);
  for (const version of ['v1', 'v1alpha']) {
    const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    const answer = await rawStream(controller.address, path, listServices);
    for (const service of ['EntryService', 'AgentService', 'FleetService'])
      assert.ok(answer.includes(`logfleet.v1.${service}`), `${version} lists ${service}`);
    for (const symbol of ['logfleet.v1.EntryService', 'grpc.health.v1.Health']) {
      // ServerReflectionRequest.file_containing_symbol = 4. The response has the file's descriptor.
      const file = await rawStream(
        controller.address,
        path,
        Buffer.concat([Buffer.from([0x22, symbol.length]), Buffer.from(symbol)]),
      );
      const [, message] = /\.(\w+)$/.exec(symbol) as unknown as [string, string];
      assert.ok(file.includes('.proto') && file.includes(message), `${version} describes ${symbol}: ${file}`);
    }
  }
  await serves(controller.address);
});
