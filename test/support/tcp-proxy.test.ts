import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import { test } from 'node:test';
import { errorCode } from '../../runtime/errors.ts';
import { freePort } from '../../stack/free-port.ts';
import { eventually } from './eventually.ts';
import { startTcpProxy } from './tcp-proxy.ts';

/** An echo behind a proxy; `requests` is what has reached the echo. */
async function echo() {
  const heard = { requests: '' };
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      heard.requests += data.toString();
      socket.write(data);
    });
  });
  const port = await freePort();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await startTcpProxy();
  proxy.targetPort = port;
  const stop = async () => {
    await proxy.stop();
    server.close();
  };
  return { heard, proxy, [Symbol.asyncDispose]: stop };
}

function connect(port: number) {
  const socket = createConnection(port, '127.0.0.1');
  const heard = { answers: '', ended: '' };
  socket.on('data', (data) => {
    heard.answers += data.toString();
  });
  socket.on('error', (error) => {
    heard.ended = errorCode(error) ?? 'error';
  });
  socket.on('close', () => {
    heard.ended ||= 'closed';
  });
  return { heard, send: (text: string) => socket.write(text) };
}

test('bytes that a proxy dropped stay lost, and a connection that missed bytes is closed when traffic resumes', async () => {
  await using served = await echo();
  const client = connect(served.proxy.port);
  client.send('one ');
  await eventually(() => assert.equal(client.heard.answers, 'one '));
  served.proxy.setMode('drop-replies');
  client.send('two ');
  await eventually(() => assert.equal(served.heard.requests, 'one two '));
  served.proxy.setMode('pass');
  await eventually(() => assert.notEqual(client.heard.ended, ''));
  assert.equal(client.heard.answers, 'one ');
});

test('a cut resets connections, refuses new ones, and heals', async () => {
  await using served = await echo();
  const before = connect(served.proxy.port);
  served.proxy.setMode('cut');
  await eventually(() => assert.equal(before.heard.ended, 'ECONNRESET'));
  const during = connect(served.proxy.port);
  await eventually(() => assert.equal(during.heard.ended, 'ECONNRESET'));
  served.proxy.setMode('pass');
  const after = connect(served.proxy.port);
  after.send('again');
  await eventually(() => assert.equal(after.heard.answers, 'again'));
});
