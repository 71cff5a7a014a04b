import assert from 'node:assert/strict';
import { appendFile, copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { systemClock } from '../../runtime/clock.ts';
import { eventually } from '../support/eventually.ts';
import { startProcess } from '../support/process.ts';
import { sharedKafka } from '../support/servers.ts';
import { countRecords, createTopic } from '../support/topics.ts';
import { FIXTURES, FOLDER, LOGS, START_END, STATE, TOKEN, topicOf } from './fixture.ts';
import { dumpDatabase, openIntents } from './state-dump.ts';

/**
 * Records the state of files that an agent of another checkout began at their end: `node
 * test/upgrade/record-start-end.ts CHECKOUT`, with LOGFLEET_TEST_KAFKA in the environment. Nothing
 * was written to `idle.log` since. The first batch of `busy.log` is an open intent.
 */
const FLUSHES_MS = 1_000;

async function record(checkout: string): Promise<void> {
  await rm(FOLDER, { recursive: true, force: true });
  const [stateDir, logs] = [join(FOLDER, STATE), join(FOLDER, LOGS)];
  for (const folder of [stateDir, logs]) await mkdir(folder, { recursive: true });
  for (const name of ['idle.log', 'busy.log']) await writeFile(join(logs, name), `what ${name} had before\n`);
  const brokers = await sharedKafka();
  const topic = await createTopic(brokers, 1, { name: topicOf(TOKEN, 'tail') });
  const entries = [{ name: 'tail', topic, paths: [join(logs, '*.log')], start: 'end' }];
  const entriesFile = join(stateDir, 'entries.yaml');
  await writeFile(entriesFile, JSON.stringify({ entries }));
  const args = ['--entries', entriesFile, '--kafka', brokers.join(), '--state', stateDir, '--audit-topic', ''];
  await using agent = startProcess(resolve(checkout, 'agent/main.ts'), [...args, '--log.level', 'debug']);
  await eventually(() => assert.equal(agent.stderr().match(/"message":"reading"/g)?.length, 2, agent.stderr()));
  await systemClock.sleep(FLUSHES_MS);
  await appendFile(join(logs, 'busy.log'), 'one\ntwo\n');
  await eventually(async () => assert.equal(await countRecords(brokers, topic), 2));
  await agent.kill('SIGKILL');
  assert.equal(openIntents(stateDir).length, 1, 'the intent is closed: record again');
  const set = join(FIXTURES, START_END);
  for (const folder of [STATE, LOGS]) await mkdir(join(set, folder), { recursive: true });
  await writeFile(join(set, 'state.sql'), dumpDatabase(stateDir));
  await copyFile(entriesFile, join(set, STATE, 'entries.yaml'));
  for (const name of ['idle.log', 'busy.log']) await copyFile(join(logs, name), join(set, LOGS, name));
  await rm(FOLDER, { recursive: true });
}

const [checkout] = process.argv.slice(2);
if (checkout === undefined) throw new Error('give the checkout of the previous release');
await record(checkout);
