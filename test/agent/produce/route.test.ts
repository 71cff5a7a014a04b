import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { WorkPool } from '../../../agent/encode/work-pool.ts';
import { DeliveryRouter } from '../../../agent/produce/delivery-router.ts';
import { KafkaCluster } from '../../../agent/produce/kafka-cluster.ts';
import { IntentStore } from '../../../agent/state/intent-store.ts';
import { StateDatabase } from '../../../agent/state/state-database.ts';
import { systemClock } from '../../../runtime/clock.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { rangeOf } from '../../support/assemble.ts';
import { eventually } from '../../support/eventually.ts';
import { testFormat } from '../../support/formats.ts';
import { openSource } from '../../support/open-source.ts';
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
  // gzip takes longest for random bytes.
  writeFileSync(file, Array.from({ length: LINES }, () => `${randomBytes(100).toString('base64')}\n`).join(''));
  const logger = createLogger({ level: 'error', format: 'json' });
  const cluster = new KafkaCluster({ clientId: 'test', brokers, createTopics: false });
  const state = StateDatabase.open(dir.at('state'));
  const router = new DeliveryRouter(
    cluster,
    new IntentStore(state),
    { clock: systemClock, logger, pool: new WorkPool(MEMORY_BYTES) },
    () => {},
  );
  const source = openSource(file, { size: 1 });
  const turns = ['gzip', 'none', 'gzip', 'lz4', 'gzip', 'none'] as const;
  try {
    for (const compression of turns) {
      const before = source.size;
      source.assign(router.route(topic, 1, { previous: -1, key: 'k' }, compression), () => testFormat());
      // A part of it was read and is being compressed.
      await eventually(() => assert.ok(source.size > before || source.complete));
    }
    await eventually(() => assert.ok(source.complete && source.position === source.size));
    const starts = (await readTopic(brokers, topic)).map((record) => rangeOf(record).start);
    assert.equal(starts.length, LINES);
    const back = starts.findIndex((start, index) => index > 0 && start <= (starts[index - 1] as number));
    assert.equal(back, -1, `record ${back} begins at ${starts[back]}, after one that begins at ${starts[back - 1]}`);
  } finally {
    await router.close();
    closeSync(source.fd);
    state.close();
  }
});

/** How often other work ran while `sources` sources had `times` turns. */
async function turnsBetweenFills(sources: number, times: number): Promise<number> {
  const logger = createLogger({ level: 'error', format: 'json' });
  await using dir = await tempDir();
  const state = StateDatabase.open(dir.at('state'));
  const cluster = new KafkaCluster({ clientId: 'test', brokers: ['127.0.0.1:1'], createTopics: false });
  const tools = { clock: systemClock, logger, pool: new WorkPool(MEMORY_BYTES) };
  const router = new DeliveryRouter(cluster, new IntentStore(state), tools, () => {});
  const route = router.route('t', 1, { previous: -1, key: 'k' }, 'none');
  let [filled, turns] = [0, 0];
  /** Takes a millisecond, as if a filter examined a file. */
  const fill = async () => {
    for (const sinceMs = performance.now(); performance.now() - sinceMs < 1; );
    filled++;
    return { segment: undefined, hasMore: filled + sources <= times, isFull: false };
  };
  const never = async () => {};
  for (let source = 0; source < sources; source++)
    route.wake({ usesRoute: () => true, fill, encodeAgain: never, acknowledged: never, returned: never });
  const turn = () => {
    turns++;
    if (filled < times) setImmediate(turn);
  };
  setImmediate(turn);
  await eventually(() => assert.equal(filled, times));
  await router.close();
  state.close();
  return turns;
}

test('any number of sources without records let other work run between them', async () => {
  assert.ok((await turnsBetweenFills(60, 60)) > 2);
});

test('a source that always has more, and never a record, lets other work run between its turns', async () => {
  assert.ok((await turnsBetweenFills(1, 60)) > 2);
});
