import assert from 'node:assert/strict';
import { appendFile, copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Etcd3 } from 'etcd3';
import { systemClock } from '../../runtime/clock.ts';
import { startEtcd } from '../../stack/etcd.ts';
import { startKafka } from '../../stack/kafka.ts';
import { eventually } from '../support/eventually.ts';
import type { ApiClient } from '../support/grpc-client.ts';
import { tempDir } from '../support/temp-dir.ts';
import { createTopic } from '../support/topics.ts';
import { agentWhere, startAgentOf, startControllerOf } from './checkout.ts';
import {
  AGENT,
  type Call,
  type EtcdKey,
  FIXTURES,
  FOLDER,
  LOGS,
  LOST_AGENT,
  type LoggedBytes,
  REPLAY,
  STATE,
  TOKEN,
  topicOf,
  topicsOf,
} from './fixture.ts';
import { dumpDatabase, openIntents } from './state-dump.ts';
import { loggedBatches, withoutLastOpen } from './topic-dump.ts';

/**
 * Records the fixtures with another checkout of this repository: `node
 * test/upgrade/record-fixtures.ts CHECKOUT`. It needs six minutes, because an agent waits for five
 * before it seals a renamed file.
 */
const SEALED_TIMEOUT_MS = 400_000;
const BURST_MS = 700;
const WRITE_INTERVAL_MS = 6;
const logs = (name: string) => join(FOLDER, LOGS, name);

async function record(checkout: string): Promise<void> {
  await rm(FOLDER, { recursive: true, force: true });
  await mkdir(join(FOLDER, LOGS), { recursive: true });
  await using dir = await tempDir('record');
  await using ended = new AsyncDisposableStack();
  const etcd = await startEtcd({ dataDir: dir.at('etcd') });
  ended.defer(() => etcd.stop());
  const kafka = await startKafka({ dataDir: dir.at('kafka') });
  ended.defer(() => kafka.stop());
  const brokers = kafka.bootstrap.join();
  const auditTopic = topicOf(TOKEN, 'audit');
  for (const { topic, partitions } of topicsOf(TOKEN)) await createTopic(kafka.bootstrap, partitions, { name: topic });
  const controller = await startControllerOf(checkout, [
    ...['--etcd', etcd.endpoint, '--kafka', brokers, '--topics.audit', auditTopic],
    ...['--alerts.agent-lost', '2s', '--alerts.interval', '500ms', '--lease-ttl', '2s'],
  ]);
  ended.defer(() => controller.process.kill('SIGKILL'));
  const { api } = controller;
  const agentArgs = (id: string, state: string) => [
    ...['--id', id, '--controller', controller.address, '--kafka', brokers],
    ...['--audit-topic', auditTopic, '--state', state],
  ];
  await writeEntries(api);
  const lost = startAgentOf(checkout, agentArgs(LOST_AGENT, dir.at('lost')));
  await agentWhere(api, LOST_AGENT, ({ entries }) => entries.length > 0);
  await lost.kill('SIGKILL');
  const agent = startAgentOf(checkout, agentArgs(AGENT, join(FOLDER, STATE)));
  ended.defer(() => agent.kill('SIGKILL'));
  await collectSome(api);
  await beginReplay(api);
  const stopping = new AbortController();
  const writing = writeUntil(stopping.signal);
  await systemClock.sleep(BURST_MS);
  const calls = await callsOf(api);
  await systemClock.sleep(BURST_MS);
  await Promise.all([agent.kill('SIGKILL'), controller.process.kill('SIGKILL')]);
  stopping.abort();
  await writing;

  await mkdir(join(FIXTURES, STATE), { recursive: true });
  await mkdir(join(FIXTURES, LOGS), { recursive: true });
  await save('api.jsonl', calls);
  await save('etcd.jsonl', await dumpEtcd(etcd.endpoint));
  await save('kafka.jsonl', await keptBatches(kafka.bootstrap));
  await saveFiles();
  await rm(FOLDER, { recursive: true });
}

/** What is in Kafka when the agent is killed before it has sent its last batches. */
async function keptBatches(brokers: readonly string[]): Promise<LoggedBytes[]> {
  const open = openIntents(join(FOLDER, STATE));
  const topics = topicsOf(TOKEN).map(({ topic }) => topic);
  const { kept, withheld } = withoutLastOpen(await loggedBatches(brokers, topics), open);
  console.log(`${open.length} intents are open, ${withheld} of their batches are withheld from Kafka`);
  assert.ok(withheld > 2 && open.length > withheld, 'too few intents are open: record again');
  return kept;
}

async function saveFiles(): Promise<void> {
  await writeFile(join(FIXTURES, 'state.sql'), dumpDatabase(join(FOLDER, STATE)));
  for (const file of ['desired.json', 'settings.json'])
    await copyFile(join(FOLDER, STATE, file), join(FIXTURES, STATE, file));
  for (const file of ['app.log', 'app.log.1', 'web.log', 'trace.log'])
    await copyFile(logs(file), join(FIXTURES, LOGS, file));
}

/** Entries with a history, a deleted one, one with a rollout, and an agent's settings. */
async function writeEntries(api: ApiClient): Promise<void> {
  const write = (name: string, fields: object, more: object = {}) =>
    api.call('EntryService', 'UpdateEntry', {
      entry: {
        name: `entries/${name}`,
        topic: topicOf(TOKEN, name),
        paths: [logs(`${name}.log*`)],
        start: 'beginning',
        ...fields,
      },
      allow_missing: true,
      ...more,
    });
  await write('app', { description: 'first' });
  await write('app', { description: 'second', max_bytes_per_second: 8_192 }, { change_reason: 'the disk is slow' });
  await write('web', { max_line_bytes: 1_024, over_long: 'truncate', owner: 'team-web', labels: { tier: 'front' } });
  await write('trace', { multiline: { start: '^\\d' }, filter: { exclude: 'DEBUG' } });
  await write('gone', { description: 'deleted later' });
  await api.call('EntryService', 'DeleteEntry', { name: 'entries/gone', change_reason: 'not needed' });
  await write('canary', { description: 'everywhere' });
  const rollout = { steps: [{ canary: `agent=${AGENT}`, wait_ms: 3_600_000 }, { canary: 'all' }] };
  await write('canary', { description: 'a step' }, { rollout, change_reason: 'try it' });
  const settings = {
    name: `agents/${AGENT}/settings`,
    paused_entries: ['entries/canary'],
    max_bytes_per_second: 10_000_000,
  };
  const update = { settings, change_reason: 'busy host', allow_missing: true };
  await api.call('FleetService', 'UpdateAgentSettings', update);
}

/**
 * A rollout that is paused at its first step, a rotated file that is sealed, and lines that are
 * delivered.
 */
async function collectSome(api: ApiClient): Promise<void> {
  await eventually(async () => {
    const { rollout } = await api.call('RolloutService', 'GetRollout', { name: 'entries/canary' });
    assert.equal(rollout.step, 1);
  });
  await api.call('RolloutService', 'PauseRollout', { name: 'entries/canary' });
  await appendFile(logs('app.log'), lines('app', 0, 60));
  await appendFile(logs('web.log'), lines('web', 0, 20));
  await appendFile(logs('trace.log'), traces(0, 20));
  await agentWhere(api, AGENT, ({ files }) => files.length === 3 && files.every(isDelivered));
  await rename(logs('app.log'), logs('app.log.1'));
  await appendFile(logs('app.log'), lines('app', 60, 120));
  await eventually(
    async () => {
      const { facts } = await api.call('FleetService', 'ListFacts', {});
      assert.ok(
        facts.some((fact: { sealed?: object }) => fact.sealed),
        JSON.stringify(facts),
      );
    },
    { timeoutMs: SEALED_TIMEOUT_MS },
  );
}

function isDelivered({ position, size }: { position: string; size: string }): boolean {
  return position === size && size !== '0';
}

/** A replay that the entry's rate limit slows down, and an over-long line. */
async function beginReplay(api: ApiClient): Promise<void> {
  await appendFile(logs('app.log'), lines('app', 120, 720));
  await appendFile(logs('web.log'), `${'long '.repeat(300)}\n`);
  const rewind = api.stream('FleetService', 'RewindEntry', {
    name: 'entries/app',
    target: { beginning: true },
    replay_id: REPLAY,
    reason: 'the consumer lost its data',
  });
  for await (const _ of rewind);
}

/** Small writes, so that many batches are in flight. */
async function writeUntil(signal: AbortSignal): Promise<void> {
  for (let line = 20; !signal.aborted; line++) {
    await appendFile(logs('web.log'), lines('web', line, line + 1));
    await appendFile(logs('trace.log'), traces(line, line + 1));
    await systemClock.sleep(WRITE_INTERVAL_MS);
  }
}

function lines(name: string, from: number, to: number): string {
  return Array.from({ length: to - from }, (_, index) => `${name} line ${from + index} with some more text\n`).join('');
}

function traces(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, index) => {
    const number = from + index;
    return `${number} ${number % 5 === 0 ? 'DEBUG' : 'ERROR'} it failed\n  at one (a.js:${number})\n  at two\n`;
  }).join('');
}

/** What the API shows of what is kept in etcd. */
async function callsOf(api: ApiClient): Promise<Call[]> {
  const asked: Omit<Call, 'response'>[] = [
    { service: 'EntryService', method: 'ListEntries', request: {} },
    ...['app', 'web', 'trace', 'canary', 'gone'].map((entry) => ({
      service: 'EntryService',
      method: 'ListEntryVersions',
      request: { name: `entries/${entry}` },
    })),
    { service: 'RolloutService', method: 'ListRollouts', request: {} },
    { service: 'FleetService', method: 'GetAgentSettings', request: { name: `agents/${AGENT}/settings` } },
    { service: 'FleetService', method: 'ListAgentSettings', request: {} },
    { service: 'FleetService', method: 'ListAlerts', request: {} },
    { service: 'FleetService', method: 'GetAgent', request: { name: `agents/${LOST_AGENT}` } },
  ];
  return Promise.all(
    asked.map(async (call) => ({ ...call, response: await api.call(call.service, call.method, call.request) })),
  );
}

async function dumpEtcd(endpoint: string): Promise<EtcdKey[]> {
  const client = new Etcd3({ hosts: endpoint });
  const { kvs } = await client.getAll().exec();
  client.close();
  return kvs.map(({ key, value, create_revision, mod_revision, lease }) => ({
    key: key.toString(),
    value: value.toString(),
    created: Number(create_revision),
    revision: Number(mod_revision),
    leased: lease !== '0',
  }));
}

async function save(name: string, values: readonly unknown[]): Promise<void> {
  await writeFile(join(FIXTURES, name), values.map((value) => `${JSON.stringify(value)}\n`).join(''));
}

const [checkout] = process.argv.slice(2);
if (checkout === undefined) throw new Error('give the checkout of the previous release');
await record(resolve(checkout));
