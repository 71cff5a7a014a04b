import assert from 'node:assert/strict';
import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { assemble } from '../support/assemble.ts';
import { startController } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import {
  agentOf,
  agentStatus,
  createFleet,
  type FleetFixture,
  waitUntilAcknowledged,
  waitUntilDelivered,
} from '../support/fleet-fixture.ts';
import { follows, setFor } from '../support/settings.ts';
import { countRecords, createTopic, readTopic } from '../support/topics.ts';

/** An agent whose attempts failed waits up to ten seconds before the next one. */
const RECONNECTS = { timeoutMs: 40_000 };

const create = ({ controller }: FleetFixture, entry_id: string, entry: object) =>
  controller.api.call('EntryService', 'CreateEntry', { entry_id, entry: { start: 'beginning', ...entry } });

/** What a topic has of each generation, whole and once. */
const arrived = async ({ kafka }: FleetFixture, topic: string) => [...assemble(await readTopic(kafka, topic)).values()];

const statusOf = async (on: FleetFixture, id: string, entry: string) =>
  (await agentStatus(on, id)).entries.find((status: { entry: string }) => status.entry === `entries/${entry}`);

const numbered = (count: number, length = 100) =>
  Array.from({ length: count }, (_, index) => `${index} ${'x'.repeat(length)}\n`).join('');

test('an entry paused on one agent continues on others, and stays paused through a restart without a controller', async () => {
  await using on = await createFleet();
  const { kafka, dir } = on;
  const [topic, others] = [await createTopic(kafka), await createTopic(kafka)];
  await using first = agentOf(on, 'a');
  await using _second = agentOf(on, 'b');
  await writeFile(dir.at('app.log'), 'one\n');
  const app = await create(on, 'app', { paths: [dir.at('app.log')], topic });
  const other = await create(on, 'other', { paths: [dir.at('other.log')], topic: others, selector: 'agent=a' });
  for (const id of ['a', 'b']) await waitUntilAcknowledged(on, id, app);
  await waitUntilAcknowledged(on, 'a', other);
  await waitUntilDelivered(on, topic, 2);
  await follows(on, 'a', { paused_entries: ['entries/app'] });
  await waitUntilAcknowledged(on, 'a', app, 'STATE_PAUSED');
  assert.equal((await statusOf(on, 'b', 'app')).state, 'STATE_APPLIED');
  await appendFile(dir.at('app.log'), 'two\n');
  await waitUntilDelivered(on, topic, 3);
  const { address } = on.controller;
  await on.controller.process.kill('SIGKILL');
  await first.kill('SIGKILL');
  await using _again = agentOf(on, 'a');
  await appendFile(dir.at('app.log'), 'three\n');
  await writeFile(dir.at('other.log'), 'other\n');
  await waitUntilDelivered(on, others, 1);
  await waitUntilDelivered(on, topic, 4);
  await using back = await startController(on.etcd, on.prefix, '--kafka', kafka.join(','), '--listen', address);
  const now = { ...on, controller: back };
  await eventually(async () => {
    assert.equal((await statusOf(now, 'a', 'app')).state, 'STATE_PAUSED');
    const [file] = (await agentStatus(now, 'a')).files.filter(
      (one: { path: string }) => one.path === dir.at('app.log'),
    );
    assert.deepEqual([file.state, file.position, file.lag_bytes], ['STATE_PAUSED', '4', '10']);
  }, RECONNECTS);
  assert.equal(await countRecords(kafka, topic), 4);
  await follows(now, 'a', { paused_entries: [] });
  await waitUntilDelivered(on, topic, 6);
  const whole = await readFile(dir.at('app.log'), 'utf8');
  assert.deepEqual(
    (await arrived(on, topic)).map(({ bytes }) => String(bytes)),
    [whole, whole],
  );
});

test('a paused agent reads nothing, keeps a deleted file open, and resumes with it', async () => {
  await using on = await createFleet();
  const { kafka, dir } = on;
  const topic = await createTopic(kafka);
  await using _agent = agentOf(on, 'a');
  await writeFile(dir.at('a.log'), 'one\n');
  const app = await create(on, 'app', { paths: [dir.at('*.log')], topic });
  await waitUntilAcknowledged(on, 'a', app);
  await waitUntilDelivered(on, topic, 1);
  await follows(on, 'a', { paused: true });
  await appendFile(dir.at('a.log'), 'two\n');
  await rm(dir.at('a.log'));
  await writeFile(dir.at('b.log'), 'three\n');
  await eventually(async () => {
    const { files } = await agentStatus(on, 'a');
    const states = files.map(({ state, lag_bytes }: Record<string, string>) => `${state} ${lag_bytes}`);
    assert.deepEqual(states.sort(), ['STATE_PAUSED 4', 'STATE_PAUSED 6']);
  });
  assert.equal(await countRecords(kafka, topic), 1);
  await follows(on, 'a', { paused: false });
  await waitUntilDelivered(on, topic, 3);
});

test('a limited entry lags while another one on its route finishes; when the limit is raised it delivers every line once', async () => {
  await using on = await createFleet();
  const { controller, kafka, dir } = on;
  const topic = await createTopic(kafka);
  await using _agent = agentOf(on, 'a');
  // A line that is longer than the limit of one second must still fit.
  const content = `${numbered(2_000)}${'y'.repeat(50_000)}\n${numbered(20_000)}`;
  for (const name of ['slow', 'fast']) await writeFile(dir.at(`${name}.log`), content);
  await create(on, 'slow', { paths: [dir.at('slow.log')], topic, max_bytes_per_second: 10_240 });
  await create(on, 'fast', { paths: [dir.at('fast.log')], topic });
  await eventually(async () => assert.equal((await statusOf(on, 'a', 'fast')).lag_bytes, '0'));
  const slow = await eventually(async () => {
    const status = await statusOf(on, 'a', 'slow');
    assert.equal(status?.limited, true);
    return status;
  });
  assert.ok(Number(slow.lag_bytes) > content.length / 2, slow.lag_bytes);
  assert.equal((await statusOf(on, 'a', 'fast')).limited, false);
  const change = {
    entry: { name: 'entries/slow', max_bytes_per_second: 0 },
    update_mask: { paths: ['max_bytes_per_second'] },
  };
  await controller.api.call('EntryService', 'UpdateEntry', change);
  await eventually(async () => {
    const status = await statusOf(on, 'a', 'slow');
    assert.deepEqual([status.lag_bytes, status.limited], ['0', false]);
  });
  for (const { bytes } of await arrived(on, topic)) assert.equal(String(bytes), content);
});

test("an agent's limit slows all its entries, except for skipped rests of lines, until it is lifted", async () => {
  await using on = await createFleet();
  const { kafka, dir } = on;
  const topic = await createTopic(kafka);
  await using _agent = agentOf(on, 'a');
  await setFor(on, 'a', { max_bytes_per_second: 20_000 }, { allow_missing: true });
  const content = `${numbered(100)}${'y'.repeat(3_000_000)}\n${numbered(30_000)}`;
  await writeFile(dir.at('a.log'), content);
  await create(on, 'app', { paths: [dir.at('*.log')], topic, max_line_bytes: 1_024, over_long: 'truncate' });
  await eventually(async () => assert.equal((await statusOf(on, 'a', 'app'))?.limited, true));
  await eventually(async () => {
    const lagBytes = Number((await statusOf(on, 'a', 'app')).lag_bytes);
    assert.ok(lagBytes > 2_000_000 && lagBytes < 3_300_000, `${lagBytes}`);
  });
  await follows(on, 'a', { max_bytes_per_second: 0 });
  await waitUntilDelivered(on, topic, 30_101);
  const { health } = await agentStatus(on, 'a');
  assert.equal(health.settings_etag, '');
});

test('a drained agent has delivered everything, reads nothing and reports what is left, also after a kill, until it is resumed', async () => {
  await using on = await createFleet();
  const { kafka, dir } = on;
  const topic = await createTopic(kafka);
  await using agent = agentOf(on, 'a');
  const content = numbered(100_000);
  for (const name of ['a', 'b']) await writeFile(dir.at(`${name}.log`), `${content}half`);
  await create(on, 'app', { paths: [dir.at('*.log')], topic });
  await setFor(on, 'a', { draining: true }, { allow_missing: true });
  const drained = async (left: number) => {
    const { health } = await agentStatus(on, 'a');
    const { state, left_bytes, waiting_for } = health?.drain ?? {};
    assert.deepEqual([state, left_bytes, waiting_for], ['STATE_DRAINED', String(left), '']);
  };
  await eventually(() => drained(8), { timeoutMs: 30_000 });
  await appendFile(dir.at('a.log'), ' a line\n');
  await eventually(() => drained(16));
  await agent.kill('SIGKILL');
  const files = await arrived(on, topic);
  assert.deepEqual([files.length, ...files.map(({ bytes }) => String(bytes) === content)], [2, true, true]);
  // Lines written since then are drained by the next start.
  await using _again = agentOf(on, 'a');
  await eventually(() => drained(4), { timeoutMs: 30_000 });
  assert.equal(await countRecords(kafka, topic), 200_001);
  await appendFile(dir.at('b.log'), ' a line\n');
  await eventually(() => drained(12));
  await follows(on, 'a', { draining: false });
  await waitUntilDelivered(on, topic, 200_002);
  assert.equal((await agentStatus(on, 'a')).health.drain, null);
  for (const { path, bytes } of await arrived(on, topic)) assert.equal(String(bytes), await readFile(path, 'utf8'));
});
