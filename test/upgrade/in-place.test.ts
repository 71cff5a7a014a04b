import assert from 'node:assert/strict';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { etagRevision } from '../../proto/rules/etag.ts';
import { startEtcd } from '../../stack/etcd.ts';
import { freePort } from '../../stack/free-port.ts';
import { eventually } from '../support/eventually.ts';
import { sharedKafka } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { countRecords, readTopic } from '../support/topics.ts';
import { agentWhere, type ControllerOf, HERE, startAgentOf, startControllerOf } from './checkout.ts';
import { AGENT, type Call, fixtureLines, fixtureText, LOGS, REPLAY, STATE, topicOf } from './fixture.ts';
import { type RestoredFiles, restoreEtcd, restoreFiles, restoreTopics } from './restore-fixture.ts';
import { databaseFile, openIntents } from './state-dump.ts';
import { assertTiles } from './tiling.ts';

/** A state that was written on another machine is not used with the ids in it. */
const PRODUCERS = 'SELECT topic, partition, producer_id FROM producer WHERE usable = 1';
const PATIENCE = { timeoutMs: 90_000 };

test('an agent continues from the state of the previous release: each line is in Kafka once', async () => {
  using files = restoreFiles();
  const brokers = await sharedKafka();
  await restoreTopics(files, brokers);
  const generations = recordedGenerations(files.stateDir);
  const producers = recordedRows(files.stateDir, PRODUCERS);
  assert.ok(openIntents(files.stateDir).length > 2);
  for (const [file, line] of [
    ['app.log', 'last\n'],
    ['web.log', 'last\n'],
    ['trace.log', '9 last\n'],
  ] as const)
    await appendFile(join(files.folder, LOGS, file), line);
  // The recorded settings pause this entry.
  await writeFile(join(files.folder, LOGS, 'canary.log'), 'not read\n');
  // There is no controller, so what the agent collects is what the previous release kept of its
  // desired state.
  await using agent = startAgent(files, brokers, `127.0.0.1:${await freePort()}`);
  await eventually(async () => {
    const topics = ['app', 'web', 'trace'].map((entry) => topicOf(files.token, entry));
    const records = (await Promise.all(topics.map((topic) => readTopic(brokers, topic)))).flat();
    const byGeneration = Map.groupBy(records, ({ headers }) => headers['logfleet.generation'] ?? '');
    assert.deepEqual([...byGeneration.keys()].sort(), [...generations.keys()].sort(), agent.stderr());
    for (const [generation, { path, replayedTo }] of generations) {
      const bytes = await readFile(path);
      const parts = Map.groupBy(byGeneration.get(generation) ?? [], ({ headers }) => headers['logfleet.replay']);
      assertTiles(parts.get(undefined) ?? [], bytes, path);
      assertTiles(parts.get(REPLAY) ?? [], bytes.subarray(0, replayedTo), `${path}, replayed`);
    }
  }, PATIENCE);
  assert.equal(await countRecords(brokers, topicOf(files.token, 'canary')), 0);
  await agent.kill('SIGTERM');
  assert.deepEqual(recordedRows(files.stateDir, PRODUCERS), producers);
  assert.deepEqual(await auditedFacts(brokers, files.token), recordedFacts(files.stateDir));
});

test('a controller shows entries, history, rollouts, settings and lost agents as the previous release did', async () => {
  await using fleet = await restoredFleet();
  for (const { service, method, request, response } of fixtureLines<Call>(fleet.files.token, 'api.jsonl')) {
    const now = await fleet.controller.api.call(service, method, request);
    assert.deepEqual(
      withoutUnset(lasting(now), lasting(response)),
      lasting(response),
      `${method} ${JSON.stringify(request)}`,
    );
  }
});

test('an agent and a controller with the state of the previous release agree on entries and settings', async () => {
  await using fleet = await restoredFleet();
  const { files, brokers, controller } = fleet;
  await using agent = startAgent(files, brokers, controller.address);
  const { etag } = recordedSettings(files);
  await agentWhere(controller.api, AGENT, ({ health, entries, liveness }) => {
    const canary = entries.find(({ entry }: { entry: string }) => entry === 'entries/canary');
    const agrees = etagRevision(health?.settings_etag ?? '') === etag && canary?.state === 'STATE_PAUSED';
    return liveness === 'LIVENESS_LIVE' && agrees && entries.length === 4;
  });
  await agent.kill('SIGTERM');
});

interface Fleet extends AsyncDisposable {
  files: RestoredFiles;
  brokers: string[];
  controller: ControllerOf;
}

/** What the previous release left in files, topics and etcd, and a controller of this one. */
async function restoredFleet(): Promise<Fleet> {
  await using ended = new AsyncDisposableStack();
  const files = ended.use(restoreFiles());
  const brokers = await sharedKafka();
  await restoreTopics(files, brokers);
  const dir = ended.use(await tempDir('upgrade-etcd'));
  const etcd = await startEtcd({ dataDir: dir.path });
  ended.defer(() => etcd.stop());
  await restoreEtcd(files.token, etcd.endpoint);
  const controller = await startControllerOf(HERE, [
    ...['--etcd', etcd.endpoint, '--kafka', brokers.join(), '--topics.audit', topicOf(files.token, 'audit')],
    // The recorded agents were last seen when the fixtures were made.
    ...['--lease-ttl', '2s', '--forget-agents-after', '876000h'],
  ]);
  ended.defer(() => controller.process.kill('SIGKILL'));
  const moved = ended.move();
  return { files, brokers, controller, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

function startAgent(files: RestoredFiles, brokers: readonly string[], controller: string) {
  const topic = topicOf(files.token, 'audit');
  const args = ['--kafka', brokers.join(), '--audit-topic', topic, '--state', files.stateDir];
  return startAgentOf(HERE, ['--id', AGENT, '--controller', controller, ...args]);
}

/**
 * A response without what a controller observes by itself: whether topics exist, and who is
 * connected. An agent that is not connected has no rates now. Of an etag it has the revision, which
 * was all of it in the previous release.
 */
function lasting(response: unknown): unknown {
  const rates = ['bytes_per_second', 'lines_per_second', 'cpu_cores', 'event_loop_utilization'];
  const observed = new Set(['topic_status', 'counts', 'away', 'unreachable', ...rates]);
  const kept = (key: string, value: unknown) => (key.endsWith('etag') ? etagRevision(String(value)) : value);
  return JSON.parse(JSON.stringify(response, (key, value) => (observed.has(key) ? undefined : kept(key, value))));
}

/**
 * `now` without the fields that `then` lacks and that have their default: those that this release
 * has added.
 */
function withoutUnset(now: unknown, then: unknown): unknown {
  if (typeof now !== 'object' || now === null || typeof then !== 'object' || then === null) return now;
  if (Array.isArray(now)) return now.map((item, at) => withoutUnset(item, (then as unknown[])[at]));
  const known = then as Record<string, unknown>;
  const fields = Object.entries(now).filter(([key, value]) => Object.hasOwn(known, key) || !isDefault(value));
  return Object.fromEntries(fields.map(([key, value]) => [key, withoutUnset(value, known[key])]));
}

function isDefault(value: unknown): boolean {
  return (Array.isArray(value) && value.length === 0) || ['', '0', 0, false, null].some((unset) => value === unset);
}

interface RecordedGeneration {
  path: string;
  /** Where the replay of it ends. */
  replayedTo: number;
}

/**
 * The generations in the state of the previous release. Each of the entry `app` is replayed from
 * its beginning.
 */
function recordedGenerations(stateDir: string): Map<string, RecordedGeneration> {
  const rows = recordedRows(
    stateDir,
    `SELECT generation, path, topic, position, (SELECT end_position FROM replay WHERE generation = g.generation) AS replay
     FROM generation AS g`,
  );
  assert.ok(rows.some(({ replay }) => replay !== null));
  return new Map(
    rows.map(({ generation, path, topic, position, replay }) => {
      const replayedTo = Number(replay ?? (String(topic).endsWith('.app') ? position : 0));
      return [String(generation), { path: String(path), replayedTo }];
    }),
  );
}

/** The ids of the facts in the state of the previous release. */
function recordedFacts(stateDir: string): string[] {
  return recordedRows(stateDir, 'SELECT id FROM fact').map(({ id }) => String(id));
}

function recordedRows(stateDir: string, sql: string) {
  const db = new DatabaseSync(databaseFile(stateDir), { readOnly: true });
  const rows = db.prepare(sql).all();
  db.close();
  return rows;
}

function recordedSettings({ token }: RestoredFiles): { etag: string } {
  return (JSON.parse(fixtureText(token, STATE, 'settings.json')) as { settings: { etag: string } }).settings;
}

async function auditedFacts(brokers: readonly string[], token: string): Promise<string[]> {
  const records = await readTopic(brokers, topicOf(token, 'audit'));
  return records.map(({ value }) => String((JSON.parse(value.toString()) as { id: string }).id));
}
