import assert from 'node:assert/strict';
import { appendFile, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import kafkajs from 'kafkajs';
import { type Kafka, startKafka } from '../../../stack/kafka.ts';
import { assemble } from '../../support/assemble.ts';
import { eventually } from '../../support/eventually.ts';
import { startWriter } from '../../support/line-writer.ts';
import { startProcess, type TestProcess } from '../../support/process.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';
import { countRecords, createTopic, type Entrance, readTopic } from '../../support/topics.ts';

const PATIENCE = { timeoutMs: 30_000 };
const { READ, WRITE } = kafkajs.AclOperationTypes;
const entrance: Entrance = { sasl: { mechanism: 'plain', username: 'admin', password: 'admin' } };

let dir: TempDir;
let kafka: Kafka;
let admin: kafkajs.Admin;

before(async () => {
  dir = await tempDir('rights');
  const plain = 'org.apache.kafka.common.security.plain.PlainLoginModule';
  kafka = await startKafka({
    dataDir: dir.at('kafka'),
    protocol: 'SASL_PLAINTEXT',
    config: {
      'sasl.enabled.mechanisms': 'PLAIN',
      'sasl.mechanism.inter.broker.protocol': 'PLAIN',
      'listener.name.client.plain.sasl.jaas.config': `${plain} required username="admin" password="admin" user_admin="admin" user_agent="agent";`,
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      // The broker's own principal, on the controller's listener.
      'super.users': 'User:admin;User:ANONYMOUS',
    },
  });
  const { sasl } = entrance as Required<Entrance>;
  admin = new kafkajs.Kafka({ brokers: kafka.bootstrap, sasl, logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
});

after(async () => {
  await admin.disconnect();
  await kafka.stop();
  await dir[Symbol.asyncDispose]();
});

function right(topic: string, operation: kafkajs.AclOperationTypes) {
  return {
    resourceType: kafkajs.AclResourceTypes.TOPIC,
    resourceName: topic,
    resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
    principal: 'User:agent',
    host: '*',
    operation,
    permissionType: kafkajs.AclPermissionTypes.ALLOW,
  };
}

async function topicWith(...operations: kafkajs.AclOperationTypes[]): Promise<string> {
  const topic = await createTopic(kafka.bootstrap, 1, { entrance });
  await admin.createAcls({ acl: operations.map((operation) => right(topic, operation)) });
  return topic;
}

async function writeEntries(topics: Record<string, string>, name: string): Promise<void> {
  const entries = Object.entries(topics).map(([file, topic]) => {
    return { name: file, paths: [dir.at(`${file}.log`)], topic, start: 'beginning' };
  });
  await writeFile(dir.at(`${name}.yaml`), JSON.stringify({ entries }));
}

async function startAgent(topics: Record<string, string>, name: string): Promise<TestProcess> {
  await writeEntries(topics, name);
  await writeFile(dir.at('password'), 'agent\n');
  const login = ['--kafka.sasl.mechanism', 'plain', '--kafka.sasl.username', 'agent'];
  const args = ['--entries', dir.at(`${name}.yaml`), '--kafka', kafka.bootstrap.join(','), '--state', dir.at(name)];
  return startProcess('agent/main.ts', [...args, ...login, '--kafka.sasl.password_file', dir.at('password')]);
}

function records(topic: string): Promise<number> {
  return countRecords(kafka.bootstrap, topic, entrance);
}

async function flowing(topic: string, more: number): Promise<void> {
  const from = await records(topic);
  await eventually(async () => assert.ok((await records(topic)) > from + more), PATIENCE);
}

// vector #24543, #12109, rsyslog #5279 (catalogue 95, 100).
test('a topic whose WRITE is revoked pauses alone, shows why, and resumes with each line once', async () => {
  const topics = { revoked: await topicWith(WRITE, READ), kept: await topicWith(WRITE, READ) };
  const writers = { revoked: startWriter(dir.at('revoked.log')), kept: startWriter(dir.at('kept.log')) };
  await using agent = await startAgent(topics, 'write');
  await flowing(topics.revoked, 200);
  await admin.deleteAcls({ filters: [right(topics.revoked, WRITE)] });
  const { error, topic } = await agent.logged('delivery is held up', PATIENCE);
  assert.equal(topic, topics.revoked);
  assert.match(String(error), /TOPIC_AUTHORIZATION_FAILED.*grant its principal WRITE/);
  const stopped = await records(topics.revoked);
  await flowing(topics.kept, 500);
  assert.equal(await records(topics.revoked), stopped);
  await admin.createAcls({ acl: [right(topics.revoked, WRITE)] });
  await flowing(topics.revoked, 200);
  for (const name of ['revoked', 'kept'] as const) {
    await writers[name].stop();
    await eventually(async () => assert.equal(await records(topics[name]), writers[name].lines), PATIENCE);
    const [only] = [...assemble(await readTopic(kafka.bootstrap, topics[name], entrance)).values()];
    assert.equal(only?.bytes.toString(), writers[name].bytes.toString());
  }
});

test('lines for a topic whose rights are all revoked go to the new topic of their entry', async () => {
  const [forbidden, topic] = [await topicWith(WRITE, READ), await topicWith(WRITE, READ)];
  await writeFile(dir.at('moved.log'), 'one\n');
  await using agent = await startAgent({ moved: forbidden }, 'moved');
  await eventually(async () => assert.equal(await records(forbidden), 1, agent.stderr()), PATIENCE);
  await admin.deleteAcls({ filters: [right(forbidden, WRITE), right(forbidden, READ)] });
  await appendFile(dir.at('moved.log'), 'two\nthree\n');
  assert.match(String((await agent.logged('delivery is held up', PATIENCE))['error']), /TOPIC_AUTHORIZATION_FAILED/);
  await appendFile(dir.at('moved.log'), 'four\n');
  await writeEntries({ moved: topic }, 'moved');
  await eventually(async () => assert.equal(await records(topic), 3, agent.stderr()), PATIENCE);
  assert.equal(await records(forbidden), 1);
});

test('without READ a killed agent loses nothing, and logs that lines may arrive twice', async () => {
  const topic = await topicWith(WRITE);
  const writer = startWriter(dir.at('unread.log'));
  let logged = '';
  for (let round = 0; round < 3; round++) {
    await using agent = await startAgent({ unread: topic }, 'read');
    await flowing(topic, 200);
    await agent.kill('SIGKILL');
    logged += agent.stderr();
  }
  await writer.stop();
  await using _agent = await startAgent({ unread: topic }, 'read');
  const ranges = await eventually(async () => {
    const found = await readTopic(kafka.bootstrap, topic, entrance);
    const once = new Map(found.map((record) => [record.headers['logfleet.range'], record]));
    assert.equal(once.size, writer.lines);
    return once;
  }, PATIENCE);
  const [only] = [...assemble([...ranges.values()]).values()];
  assert.equal(only?.bytes.toString(), writer.bytes.toString());
  assert.match(logged, /the topic may not be read: batches may arrive twice/);
});
