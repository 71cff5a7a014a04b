import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { Webhook } from '../../../controller/alerts/webhook.ts';
import { Condition } from '../../../proto/gen/logfleet/v1/alert.ts';

test('a request to a webhook that does not respond ends with the term of the elected controller', async () => {
  const asked = Promise.withResolvers<void>();
  const server = createServer(() => asked.resolve());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const webhook = new Webhook(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, undefined);
    const condition = Condition.create({ rule: 'AgentLost', agent: 'agents/x' });
    const alert = { id: 'x', condition, startTime: new Date(0), sent: 'nothing' } as const;
    const term = new AbortController();
    const sent = assert.rejects(webhook.send([alert], term.signal), (error) => error === term.signal.reason);
    await asked.promise;
    term.abort(new DOMException('the term is over', 'AbortError'));
    await sent;
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

test('a token that was replaced in its file is sent with the next alert', async () => {
  const tokens: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    tokens.push(request.headers.authorization);
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const token = { current: 'first' };
    const webhook = new Webhook(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, token);
    const { signal } = new AbortController();
    await webhook.send([], signal);
    token.current = 'second';
    await webhook.send([], signal);
    assert.deepEqual(tokens, ['Bearer first', 'Bearer second']);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
