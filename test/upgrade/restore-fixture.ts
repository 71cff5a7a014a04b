import { createHash, randomUUID } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Etcd3 } from 'etcd3';
import { type RecordBatch, stampProducer } from '../../agent/encode/record-batch.ts';
import { KafkaCluster } from '../../agent/produce/kafka-cluster.ts';
import { systemClock } from '../../runtime/clock.ts';
import { createTopic } from '../support/topics.ts';
import {
  type EtcdKey,
  FIXTURES,
  FOLDER,
  fixtureLines,
  fixtureText,
  LOGS,
  type LoggedBytes,
  STATE,
  TOKEN,
  topicsOf,
} from './fixture.ts';
import { databaseFile } from './state-dump.ts';
import { identityOf } from './topic-dump.ts';

/** The log files and the agent's state of the previous release, in a folder of the test's own. */
export interface RestoredFiles extends Disposable {
  /** Stands in paths and topics where the fixtures have `TOKEN`. */
  token: string;
  folder: string;
  stateDir: string;
}

/** See the fields of a record batch in agent/encode/record-batch.ts. */
const BATCH_HEADER_BYTES = 61;
const BASE_OFFSET_AT = 0;
const LEADER_EPOCH_AT = 12;
const TIMESTAMPS_AT = [27, 35];
const LEASE_SECONDS = 5;
/** The agent binds its state to the machine by these files, where they are. */
const MACHINE_IDS = ['/etc/machine-id', '/sys/class/dmi/id/product_uuid'];

/** `set`: the folder of the fixtures with the files. */
export function restoreFiles(set = ''): RestoredFiles {
  const token = `upgrade-${randomUUID().slice(0, TOKEN.length - 'upgrade-'.length)}`;
  const folder = FOLDER.replace(TOKEN, token);
  const [logs, stateDir] = [join(folder, LOGS), join(folder, STATE)];
  mkdirSync(logs, { recursive: true });
  mkdirSync(stateDir);
  for (const file of readdirSync(join(FIXTURES, set, LOGS)))
    copyFileSync(join(FIXTURES, set, LOGS, file), join(logs, file));
  for (const file of readdirSync(join(FIXTURES, set, STATE)))
    writeFileSync(join(stateDir, file), fixtureText(token, set, STATE, file));
  const db = new DatabaseSync(databaseFile(stateDir));
  db.exec(`BEGIN; ${fixtureText(token, set, 'state.sql')} COMMIT;`);
  bindToFiles(db, logs);
  bindToMachine(db, databaseFile(stateDir));
  db.close();
  return { token, folder, stateDir, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}

/** The copied log files have other inodes and other times of birth than the recorded ones. */
function bindToFiles(db: DatabaseSync, logs: string): void {
  const update = db.prepare('UPDATE generation SET device = ?, inode = ?, born_ms = ? WHERE path = ?');
  for (const file of readdirSync(logs)) {
    const path = join(logs, file);
    const { dev, ino, birthtimeMs } = statSync(path, { bigint: true });
    update.run(dev, ino, birthtimeMs, path);
  }
}

/** Without this the agent takes its state for a copy, and doesn't use the producer ids in it. */
function bindToMachine(db: DatabaseSync, file: string): void {
  const ids = MACHINE_IDS.map((path) => {
    try {
      return readFileSync(path, 'utf8').trim();
    } catch {
      return '';
    }
  });
  const text = [hostname(), statSync(file, { bigint: true }).ino, ...ids].join('\n');
  const value = createHash('sha256').update(text).digest('hex');
  db.prepare("UPDATE meta SET value = ? WHERE key = 'machine'").run(value);
}

/**
 * Appends the recorded batches to new topics. Kafka gives out the ids of topics and producers, so
 * the state gets the new ones in the place of those that were recorded.
 */
export async function restoreTopics({ token, stateDir }: RestoredFiles, brokers: readonly string[]): Promise<void> {
  const nowMs = systemClock.nowMs();
  const db = new DatabaseSync(databaseFile(stateDir));
  const cluster = new KafkaCluster({ clientId: 'restore', brokers, createTopics: false });
  try {
    for (const { topic, partitions } of topicsOf(token)) {
      await createTopic(brokers, partitions, { name: topic });
      const { clusterId, topicId } = await cluster.topicIncarnation(topic);
      db.prepare('UPDATE producer SET cluster_id = ?, topic_id = ? WHERE topic = ?').run(clusterId, topicId, topic);
    }
    const producers = new Map<bigint, { id: bigint; epoch: number }>();
    for (const { topic, partition, base64 } of fixtureLines<LoggedBytes>(token, 'kafka.jsonl')) {
      const bytes = Buffer.from(base64, 'base64');
      const { producerId, baseSequence } = identityOf(bytes);
      const producer = producers.get(producerId) ?? (await cluster.initProducer());
      producers.set(producerId, producer);
      const batch = batchOf(bytes, nowMs);
      stampProducer(batch, producer, baseSequence);
      await cluster.produce(topic, partition, batch);
    }
    for (const table of ['producer', 'intent']) {
      const update = db.prepare(`UPDATE ${table} SET producer_id = -?, epoch = ? WHERE producer_id = ?`);
      for (const [recorded, { id, epoch }] of producers) update.run(id, epoch, recorded);
      db.exec(`UPDATE ${table} SET producer_id = -producer_id WHERE producer_id < 0`);
    }
    db.prepare('UPDATE intent SET timestamp_ms = ?').run(nowMs);
  } finally {
    await cluster.close();
    db.close();
  }
}

/**
 * A batch as a producer sends it. With its recorded time, Kafka would soon forget the producer and
 * remove the records.
 */
function batchOf(bytes: Buffer, nowMs: number): RecordBatch {
  const header = bytes.subarray(0, BATCH_HEADER_BYTES);
  header.writeBigInt64BE(0n, BASE_OFFSET_AT);
  header.writeInt32BE(-1, LEADER_EPOCH_AT);
  for (const at of TIMESTAMPS_AT) header.writeBigInt64BE(BigInt(nowMs), at);
  return { header, records: [bytes.subarray(BATCH_HEADER_BYTES)], byteLength: bytes.length };
}

/**
 * Writes the recorded keys into an empty etcd at the revisions that they had: entries' etags are
 * revisions.
 */
export async function restoreEtcd(token: string, endpoint: string): Promise<void> {
  const client = new Etcd3({ hosts: endpoint });
  const lease = client.lease(LEASE_SECONDS, { autoKeepAlive: false });
  const leaseId = await lease.grant();
  const keys = fixtureLines<EtcdKey>(token, 'etcd.jsonl');
  const last = Math.max(...keys.map(({ revision }) => revision));
  let { header } = await client.kv.range({ key: Buffer.from('/') });
  for (let next = Number(header.revision) + 1; next <= last; next++) {
    const written = keys.filter(({ created, revision }) => created === next || revision === next);
    const puts = written.map(({ key, value, leased }) => ({
      request_put: { key: Buffer.from(key), value: Buffer.from(value), ...(leased && { lease: leaseId }) },
    }));
    const filler = [{ request_put: { key: Buffer.from('/filler'), value: Buffer.from('') } }];
    ({ header } = await client.kv.txn({ compare: [], success: puts.length > 0 ? puts : filler, failure: [] }));
    if (Number(header.revision) !== next) throw new Error(`revision ${header.revision} instead of ${next}`);
  }
  client.close();
}
