import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Source } from '../../../agent/collect/source.ts';
import { KafkaCluster } from '../../../agent/deliver/kafka-cluster.ts';
import { Router } from '../../../agent/deliver/router.ts';
import { WorkPool } from '../../../agent/deliver/work-pool.ts';
import { newCheckpoint } from '../../../agent/state/checkpoint-store.ts';
import { IntentStore } from '../../../agent/state/intent-store.ts';
import { StateDatabase } from '../../../agent/state/state-database.ts';
import { systemClock } from '../../../runtime/clock.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { rangeOf } from '../../support/assemble.ts';
import { eventually } from '../../support/eventually.ts';
import { testFormat } from '../../support/formats.ts';
import { sharedKafka } from '../../support/servers.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { createTopic, readTopic } from '../../support/topics.ts';

const LINES = 30_000;
const MEMORY_BYTES = 64 * 1024 * 1024;

test('lines keep their order when their compression changes while batches are being compressed', async () => {
  const brokers = await sharedKafka();
  const topic = await createTopic(brokers);
  await using dir = await tempDir();
  const file = dir.at('a.log');
  // Random bytes take gzip the longest.
  writeFileSync(file, Array.from({ length: LINES }, () => `${randomBytes(100).toString('base64')}\n`).join(''));
  const fd = openSync(file, 'r');
  const logger = createLogger({ level: 'error', format: 'json' });
  const cluster = new KafkaCluster({ clientId: 'test', brokers, createTopics: false });
  const state = StateDatabase.open(dir.at('state'));
  const router = new Router(
    cluster,
    new IntentStore(state),
    { clock: systemClock, logger, pool: new WorkPool(MEMORY_BYTES) },
    () => {},
  );
  const checkpoint = newCheckpoint('e', 'g', { device: 1n, inode: 1n, path: file, bornMs: 0 });
  const events = { onProgress: () => {}, onStateChange: () => {} };
  const source = new Source(fd, checkpoint, { open: [], delivered: [] }, 1, events, systemClock);
  const turns = ['gzip', 'none', 'gzip', 'lz4', 'gzip', 'none'] as const;
  try {
    for (const compression of turns) {
      const before = source.size;
      source.assign(router.route(topic, 1, { former: -1, key: 'k' }, compression), () => testFormat());
      // Some of it is read and being compressed.
      await eventually(() => assert.ok(source.size > before || source.complete));
    }
    await eventually(() => assert.ok(source.complete && source.position === source.size));
    const starts = (await readTopic(brokers, topic)).map((record) => rangeOf(record).start);
    assert.equal(starts.length, LINES);
    const back = starts.findIndex((start, index) => index > 0 && start <= (starts[index - 1] as number));
    assert.equal(back, -1, `record ${back} begins at ${starts[back]}, after one that begins at ${starts[back - 1]}`);
  } finally {
    await router.close();
    closeSync(fd);
    state.close();
  }
});
