import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { startEtcd } from '../../stack/etcd.ts';
import { freePort } from '../../stack/free-port.ts';
import { startKafka } from '../../stack/kafka.ts';
import { startAgent } from '../support/agents.ts';
import { assemble } from '../support/assemble.ts';
import { newPrefix, startController } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import { startWriter } from '../support/line-writer.ts';
import { sharedEtcd, sharedKafka } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { countRecords, createTopic, readTopic } from '../support/topics.ts';

const PATIENCE = { timeoutMs: 60_000 };

test('every line arrives once while agent, controller, etcd and Kafka are each stopped and restarted', async () => {
  await using dir = await tempDir('restarts');
  const etcd = await startEtcd({ dataDir: dir.at('etcd') });
  const kafka = await startKafka({ dataDir: dir.at('kafka') });
  try {
    const topic = await createTopic(kafka.bootstrap, 2);
    const prefix = newPrefix();
    const listen = `127.0.0.1:${await freePort()}`;
    const newController = () => startController(etcd.endpoint, prefix, '--listen', listen, '--lease-ttl', '3s');
    const agentOptions = { id: 'a', controller: listen, kafka: kafka.bootstrap, state: dir.at('state') };
    let controller = await newController();
    await using stack = new AsyncDisposableStack();
    stack.defer(() => controller[Symbol.asyncDispose]());
    let agent = startAgent(agentOptions);
    stack.defer(() => agent[Symbol.asyncDispose]());
    const writers = ['x', 'y'].map((name) => startWriter(dir.at(`${name}.log`)));
    stack.defer(async () => {
      for (const writer of writers) await writer.stop();
    });
    const flowing = async (what: string) => {
      const before = await countRecords(kafka.bootstrap, topic);
      await eventually(
        async () => assert.ok((await countRecords(kafka.bootstrap, topic)) > before + 100, what),
        PATIENCE,
      );
    };
    const update = (owner: string) =>
      eventually(async () => {
        const entry = await controller.api.call('EntryService', 'UpdateEntry', {
          entry: { name: 'entries/app', owner },
        });
        const { entries } = await eventually(async () => {
          const now = await controller.api.call('FleetService', 'GetAgent', { name: 'agents/a' });
          assert.equal(now.entries[0]?.etag, entry.etag);
          return now;
        });
        assert.equal(entries[0].state, 'STATE_APPLIED');
      }, PATIENCE);

    const entry = { paths: [dir.at('*.log')], topic, start: 'beginning' };
    await controller.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry });
    await flowing('at first');

    await etcd.kill('SIGKILL');
    await flowing('without etcd');
    await etcd.start();
    await update('after etcd');

    await controller.process.kill('SIGKILL');
    await flowing('without the controller');
    controller = await newController();
    await update('after the controller');

    await agent.kill('SIGTERM');
    assert.equal((await agent.exited).code, 0, agent.stderr());
    await controller.process.kill('SIGKILL');
    agent = startAgent(agentOptions);
    await agent.logged('collecting by the stored desired state until a controller sends another');
    await flowing('with a new agent that knows no controller');
    controller = await newController();
    await update('after the agent');

    await kafka.brokers[0]?.kill('SIGKILL');
    await eventually(() => assert.match(agent.stderr(), /"level":"warn"[^\n]*Kafka/), PATIENCE);
    await kafka.brokers[0]?.start();
    await flowing('after Kafka');

    for (const writer of writers) await writer.stop();
    const lines = writers.reduce((sum, writer) => sum + writer.lines, 0);
    await eventually(async () => assert.ok((await countRecords(kafka.bootstrap, topic)) >= lines), PATIENCE);
    const files = [...assemble(await readTopic(kafka.bootstrap, topic)).values()].sort((a, b) =>
      a.path < b.path ? -1 : 1,
    );
    assert.deepEqual(
      files.map(({ bytes }) => bytes),
      writers.map(({ bytes }) => bytes),
    );
  } finally {
    await kafka.stop();
    await etcd.stop();
  }
});

test('an agent killed by kill -9 continues without any controller, and nothing is lost', async (t) => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka);
  await using dir = await tempDir('killed');
  await using controller = await startController(await sharedEtcd(), newPrefix());
  const entry = { paths: [dir.at('*.log')], topic, start: 'beginning' };
  await controller.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry });
  const writer = startWriter(dir.at('x.log'));
  const agentOptions = { id: 'a', controller: controller.address, kafka, state: dir.at('state') };
  for (let round = 0; round < 3; round++) {
    await using agent = startAgent(agentOptions);
    const before = await countRecords(kafka, topic);
    await eventually(async () => assert.ok((await countRecords(kafka, topic)) > before + 200));
    if (round === 0) await controller.process.kill('SIGKILL');
    await agent.kill('SIGKILL');
  }
  await writer.stop();
  await using agent = startAgent(agentOptions);
  await eventually(async () => {
    const seen = new Set((await readTopic(kafka, topic)).map(({ value }) => value.toString().split(' ')[1]));
    assert.equal(seen.size, writer.lines);
  });
  t.diagnostic(`${writer.lines} lines in ${await countRecords(kafka, topic)} records`);
  await agent.kill('SIGTERM');
});

test('an invalid stored desired state is reported and ignored, and the controller sends it again', async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka);
  await using dir = await tempDir('cache');
  await using controller = await startController(await sharedEtcd(), newPrefix());
  await writeFile(dir.at('x.log'), 'one\n');
  const entry = { paths: [dir.at('*.log')], topic, start: 'beginning' };
  await controller.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry });
  const agentOptions = { id: 'a', controller: controller.address, kafka, state: dir.at('state') };
  {
    await using first = startAgent(agentOptions);
    await eventually(async () => assert.equal(await countRecords(kafka, topic), 1));
    await first.kill('SIGTERM');
  }
  await writeFile(dir.at('state', 'desired.json'), '{"version":1,"entr');
  await writeFile(dir.at('y.log'), 'two\n');
  await using agent = startAgent(agentOptions);
  await eventually(async () => assert.equal(await countRecords(kafka, topic), 2));
  assert.match(agent.stderr(), /stored desired state .*desired\.json is ignored/);
});
