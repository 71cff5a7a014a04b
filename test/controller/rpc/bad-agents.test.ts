import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { after, before, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { type Etcd, startEtcd } from '../../../stack/etcd.ts';
import { ending, hello, next } from '../../support/agent-streams.ts';
import { newPrefix, type RunningController, startController } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { rawStream, type Stream } from '../../support/grpc-client.ts';
import { SimulatedAgent } from '../../support/simulated-agent.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';

const CONNECT = '/logfleet.v1.AgentService/Connect';
const GROWTH_MAX_BYTES = 300 * 1024 * 1024;
const PATIENCE = { timeoutMs: 30_000 };

/** A stream whose `write` returns false when its buffer is full, as Node's do. */
type Writable = Omit<Stream, 'write'> & {
  write(message: object): boolean;
  once(event: 'drain', then: () => void): void;
};

let dir: TempDir;
let etcd: Etcd;
let controller: RunningController;
let good: SimulatedAgent[];
let etag = 0;

before(async () => {
  dir = await tempDir('bad-agents');
  etcd = await startEtcd({ dataDir: dir.at('etcd') });
  controller = await startController(etcd.endpoint, newPrefix());
  good = ['good-1', 'good-2', 'good-3'].map((id) => new SimulatedAgent(id, [controller.address]));
  const entry = { paths: ['/x/*.log'], topic: 't' };
  await controller.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry });
});

after(async () => {
  for (const agent of good) {
    agent.assertEachChangeOnce();
    assert.equal(agent.connections.length, 1, 'it kept its stream all the time');
    await agent.stop();
  }
  await controller[Symbol.asyncDispose]();
  await etcd.stop();
  await dir[Symbol.asyncDispose]();
});

const open = () => controller.api.stream('AgentService', 'Connect') as Writable;
const ill = (stream: Stream, code: number, details: RegExp) =>
  ending(stream).then((end) => {
    assert.equal(end.code, code, end.details);
    assert.match(end.details, details);
  });

async function residentBytes(): Promise<number> {
  const text = await readFile(`/proc/${controller.process.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(text)?.[1]) * 1024;
}

/**
 * Asserts that an update reaches the well-behaved agent, and its acknowledgement the controller.
 */
async function othersGoOn(): Promise<void> {
  const entry = { name: 'entries/app', owner: `owner-${++etag}` };
  const updated = await controller.api.call('EntryService', 'UpdateEntry', { entry });
  await eventually(async () => {
    const { agents } = await controller.api.call('FleetService', 'ListAgents', {});
    const told = agents.filter(({ name }: { name: string }) => name.startsWith('agents/good-'));
    const etags = told.map(({ entries }: { entries: { etag: string }[] }) => entries[0]?.etag);
    assert.deepEqual(etags, [updated.etag, updated.etag, updated.etag]);
  }, PATIENCE);
}

/** Writes as fast as the stream accepts, until `enough`. Returns the number of messages. */
async function flood(stream: Writable, message: object, enough: () => boolean): Promise<number> {
  let count = 0;
  let ended = false;
  stream.on('error', () => {
    ended = true;
  });
  while (!enough() && !ended) {
    count++;
    if (stream.write(message)) await new Promise(setImmediate);
    else
      await Promise.race([
        new Promise<void>((resolve) => stream.once('drain', resolve)),
        eventually(() => assert.ok(enough() || ended), PATIENCE),
      ]);
  }
  return count;
}

test('bytes that are not a message end the stream, before and after hello', async () => {
  for (const bytes of [randomBytes(300), Buffer.from([0x0a, 0xff, 0xff, 0xff, 0x7f]), Buffer.alloc(0)])
    await assert.rejects(
      rawStream(controller.address, CONNECT, bytes),
      (error: { code: number }) => error.code !== undefined,
    );
  await othersGoOn();
});

test('a client that sends no hello is disconnected with the reason', async () => {
  await ill(open(), status.INVALID_ARGUMENT, /no hello within/);
  await othersGoOn();
});

test('a hello that is too large is refused with the reason', async () => {
  const identity = { agent_id: 'boaster', host: 'h', os: 'linux', addresses: ['x'.repeat(40_000)] };
  const stream = open();
  stream.write({ hello: { identity, instance_id: 'one' } });
  await ill(stream, status.INVALID_ARGUMENT, /hello: has 4\d{4} bytes: at most 32768/);
  await othersGoOn();
});

test('an invalid time is refused: it could neither be sent to a client nor be written when the stream ends', async () => {
  const time = { seconds: '9000000000000000', nanos: 0 };
  for (const report of [
    { health: { start_time: time } },
    { facts: [{ id: 'a', entry: 'entries/a', time, loss: {} }] },
  ]) {
    const stream = hello(open(), 'timeless');
    await next(stream);
    stream.write({ report });
    await ill(stream, status.INVALID_ARGUMENT, /is not a valid time/);
  }
  await othersGoOn();
});

test('a status with an invalid entry name is refused', async () => {
  const stream = hello(open(), 'inventor');
  await next(stream);
  stream.write({ report: { entries: [{ entry: 'no name' }] } });
  await ill(stream, status.INVALID_ARGUMENT, /"no name" is not an entry's name/);
  await othersGoOn();
});

test("a disconnected agent's last state is kept, however long its error was", async () => {
  const stream = hello(open(), 'wordy');
  await next(stream);
  const ended = ending(stream);
  stream.write({ report: { health: { lag_bytes: '7', error: 'x'.repeat(3_000_000) } } });
  stream.write({ goodbye: { reason: 'done' } });
  await ended;
  await eventually(async () => {
    const agent = await controller.api.call('FleetService', 'GetAgent', { name: 'agents/wordy' });
    assert.equal(agent.liveness, 'LIVENESS_STOPPED');
    assert.equal(agent.health.lag_bytes, '7');
    assert.equal(agent.health.error.length, 4_096);
  }, PATIENCE);
  await othersGoOn();
});

test('a message that is too large is refused by its size', async () => {
  const stream = hello(open(), 'huge');
  await next(stream);
  stream.write({ report: { entries: [{ entry: 'entries/a', error: 'x'.repeat(17 * 1024 * 1024) }] } });
  await ill(stream, status.RESOURCE_EXHAUSTED, /larger than max/);
  await othersGoOn();
});

test('ever larger reports end the stream before they fill the memory', async () => {
  const before = await residentBytes();
  const stream = hello(open(), 'hoarder') as Writable;
  const ended = ill(stream, status.INVALID_ARGUMENT, /characters in all/);
  let count = 0;
  const error = 'x'.repeat(4 * 1024 * 1024);
  let over = false;
  void ended.finally(() => {
    over = true;
  });
  for (; count < 40 && !over; count++) {
    if (!stream.write({ report: { entries: [{ entry: `entries/e${count}`, error }] } }))
      await Promise.race([new Promise<void>((resolve) => stream.once('drain', resolve)), ended]);
  }
  await ended;
  await othersGoOn();
  assert.ok((await residentBytes()) - before < GROWTH_MAX_BYTES);
});

test('a report of 100,001 files is refused, and the agent gets the reason', async () => {
  const stream = hello(open(), 'many') as Writable;
  await next(stream);
  const ended = ill(stream, status.INVALID_ARGUMENT, /more than 100000/);
  for (let at = 0; at < 100_001; at += 1_000) {
    const files = Array.from({ length: Math.min(1_000, 100_001 - at) }, (_, index) => ({
      ...{ id: `u/${at + index}`, entry: 'entries/app', path: `/x/${at + index}.log`, state: 'STATE_READING' },
    }));
    stream.write({ report: { files } });
  }
  await ended;
  await othersGoOn();
});

test('floods of reports and of unexpected responses wait at the agent that sends them', async (t) => {
  const before = await residentBytes();
  const health = { resident_bytes: '1' };
  for (const message of [{ report: { health } }, { answer: { id: '7', done: true } }]) {
    const stream = hello(open(), `flood-of-${Object.keys(message)}s`) as Writable;
    await next(stream);
    let updates = 0;
    const flooding = flood(stream, message, () => updates === 10);
    for (; updates < 10; updates++) await othersGoOn();
    const count = await flooding;
    stream.cancel();
    t.diagnostic(`${count} ${Object.keys(message)}s`);
  }
  assert.ok((await residentBytes()) - before < GROWTH_MAX_BYTES);
});

test('an agent that reads nothing and acknowledges nothing costs only a set of names', async () => {
  const before = await residentBytes();
  const stream = hello(open(), 'deaf').on('error', () => {});
  const description = 'x'.repeat(4_000);
  for (let round = 0; round < 300; round++)
    await controller.api.call('EntryService', 'UpdateEntry', {
      entry: { name: 'entries/app', description: `${round}${description}` },
    });
  await controller.api.call('EntryService', 'UpdateEntry', {
    entry: { name: 'entries/app', description: '' },
    update_mask: { paths: ['description'] },
  });
  await othersGoOn();
  assert.ok((await residentBytes()) - before < GROWTH_MAX_BYTES);
  const { liveness, entries } = await controller.api.call('FleetService', 'GetAgent', { name: 'agents/deaf' });
  assert.deepEqual([liveness, entries], ['LIVENESS_LIVE', []]);
  stream.cancel();
});

test('an agent whose clock is an hour off is live', async () => {
  const stream = hello(open(), 'late');
  await next(stream);
  const seconds = Math.floor(Date.now() / 1000) - 3_600;
  stream.write({
    report: { time: { seconds: String(seconds) }, entries: [{ entry: 'entries/app', state: 'STATE_APPLIED' }] },
  });
  await eventually(async () => {
    const agent = await controller.api.call('FleetService', 'GetAgent', { name: 'agents/late' });
    assert.deepEqual([agent.liveness, agent.entries.length], ['LIVENESS_LIVE', 1]);
    assert.ok(Number(agent.last_seen_time.seconds) > seconds + 3_000, 'seen by the clock of the controller');
  });
  stream.cancel();
  await othersGoOn();
});

test('of fifty processes with one id one gets it, and the others are refused with its details', async () => {
  const streams = Array.from({ length: 50 }, (_, index) => hello(open(), 'same', { instance_id: `process-${index}` }));
  const outcomes = streams.map(async (stream) => {
    try {
      await next(stream);
      return 'has it';
    } catch (error) {
      const { code, details } = error as { code: number; details: string };
      assert.ok(code === status.ALREADY_EXISTS || code === status.UNAVAILABLE, details);
      assert.match(details, /id same is already connected, on host|has just claimed the id/);
      return 'told';
    }
  });
  const told = (await Promise.all(outcomes)).filter((outcome) => outcome === 'told');
  assert.equal(told.length, 49);
  await othersGoOn();
  for (const stream of streams) stream.cancel();
});

test('connections that send nothing are closed', async () => {
  const [host, port] = controller.address.split(':') as [string, string];
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
  const sockets = Array.from({ length: 200 }, (_, index) => {
    const socket = createConnection(Number(port), host);
    socket.on('error', () => {});
    // Some send the beginning of a message, and then nothing.
    if (index % 2 === 0) socket.write(preface.subarray(0, index % 4 === 0 ? 10 : preface.length));
    socket.resume();
    return socket;
  });
  await othersGoOn();
  await Promise.all(sockets.map((socket) => once(socket, 'close')));
  await othersGoOn();
});
