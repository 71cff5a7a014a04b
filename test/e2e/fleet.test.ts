import assert from 'node:assert/strict';
import { appendFile, chmod, chown, mkdir, readdir, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startAgent } from '../support/agents.ts';
import { assemble } from '../support/assemble.ts';
import { newPrefix, type RunningController, startController } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import { startWriter } from '../support/line-writer.ts';
import { LOGHUB, needsLoghub } from '../support/loghub.ts';
import { sharedEtcd, sharedKafka } from '../support/servers.ts';
import { type TempDir, tempDir } from '../support/temp-dir.ts';
import { countRecords, createTopic, newTopic, readTopic } from '../support/topics.ts';

const NOBODY = 65_534;

interface Ground extends AsyncDisposable {
  kafka: string[];
  controller: RunningController;
  dir: TempDir;
}

/** A controller that creates topics, and a folder. */
async function ground(): Promise<Ground> {
  const kafka = await sharedKafka();
  const controller = await startController(await sharedEtcd(), newPrefix(), '--kafka', kafka.join(','));
  await eventually(() => controller.api.call('EntryService', 'ListEntries', {}));
  const dir = await tempDir('fleet');
  return {
    kafka,
    controller,
    dir,
    [Symbol.asyncDispose]: async () => {
      await controller[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

function agentOf({ kafka, controller, dir }: Ground, id: string, more: Partial<Parameters<typeof startAgent>[0]> = {}) {
  return startAgent({ id, controller: controller.address, kafka, state: dir.at(`state-${id}`), ...more });
}

// biome-ignore lint/suspicious/noExplicitAny: a message as the .proto files say.
async function agentNow({ controller }: Ground, id: string): Promise<any> {
  return controller.api.call('FleetService', 'GetAgent', { name: `agents/${id}` });
}

/** Waits until the agent has acknowledged this revision of the entry. */
async function acknowledged(on: Ground, id: string, entry: { name: string; etag: string }, state = 'STATE_APPLIED') {
  await eventually(async () => {
    const { entries } = await agentNow(on, id);
    const found = entries.find((status: { entry: string }) => status.entry === entry.name);
    assert.deepEqual([found?.etag, found?.state], [entry.etag, state], JSON.stringify(found));
  });
}

async function delivered(on: Ground, topic: string, count: number): Promise<void> {
  await eventually(async () => assert.equal(await countRecords(on.kafka, topic), count));
}

test('an entry created over gRPC has its lines in a topic made for it soon after, and the fleet tells where it is', async (t: TestContext) => {
  await using on = await ground();
  const { controller, dir } = on;
  await using agent = agentOf(on, 'web-1', { labels: { env: 'prod' } });
  await agent.logged('connected to the controller');
  await writeFile(dir.at('app.log'), 'one\ntwo\nthr');
  const topic = newTopic();
  const startMs = performance.now();
  const entry = await controller.api.call('EntryService', 'CreateEntry', {
    entry_id: 'app',
    entry: { paths: [dir.at('*.log')], topic, start: 'beginning', selector: 'env=prod' },
  });
  await delivered(on, topic, 2);
  t.diagnostic(`from the call to records read back: ${Math.round(performance.now() - startMs)} ms`);
  await acknowledged(on, 'web-1', entry);
  const { identity, liveness, files, health } = await eventually(async () => {
    const now = await agentNow(on, 'web-1');
    assert.equal(now.files[0]?.position, '8');
    return now;
  });
  assert.deepEqual([identity.agent_id, identity.labels, liveness], ['web-1', { env: 'prod' }, 'LIVENESS_LIVE']);
  const [file] = files;
  assert.deepEqual([file.path, file.size, file.lag_bytes, file.state], [dir.at('app.log'), '11', '3', 'STATE_READING']);
  assert.match(file.generation, /^[0-9a-f]{16}$/);
  assert.equal(health.delivered_lines, '2');
  const records = await readTopic(on.kafka, topic);
  assert.deepEqual(Object.keys(records[0]?.headers ?? {}), [
    'host.name',
    'log.file.path',
    'logfleet.entry',
    'logfleet.generation',
    'logfleet.range',
  ]);
});

test('agents with different labels get different entries, and an update of the selector moves one', async () => {
  await using on = await ground();
  const { controller, dir, kafka } = on;
  await using a = agentOf(on, 'a', { labels: { role: 'web' } });
  await using b = agentOf(on, 'b', { labels: { role: 'db' } });
  await Promise.all([a, b].map((agent) => agent.logged('connected to the controller')));
  const entryFor = async (role: string) => {
    await mkdir(dir.at(role));
    await writeFile(dir.at(role, 'x.log'), `${role}\n`);
    return controller.api.call('EntryService', 'CreateEntry', {
      entry_id: role,
      entry: {
        paths: [dir.at(role, '*.log')],
        topic: await createTopic(kafka),
        start: 'beginning',
        selector: `role=${role}`,
      },
    });
  };
  const web = await entryFor('web');
  const db = await entryFor('db');
  await acknowledged(on, 'a', web);
  await acknowledged(on, 'b', db);
  await delivered(on, web.topic, 1);
  await delivered(on, db.topic, 1);
  const namesOn = async (id: string) => (await agentNow(on, id)).entries.map(({ entry }: { entry: string }) => entry);
  assert.deepEqual([await namesOn('a'), await namesOn('b')], [['entries/web'], ['entries/db']]);
  const moved = await controller.api.call('EntryService', 'UpdateEntry', {
    entry: { name: 'entries/web', selector: 'role in (web,db),agent=b' },
  });
  await acknowledged(on, 'b', moved);
  await eventually(async () => assert.deepEqual(await namesOn('a'), []));
});

test('after an update of the topic later lines go to the new one, none lost or doubled at the switch', async () => {
  await using on = await ground();
  const { controller, dir, kafka } = on;
  const topics = [await createTopic(kafka, 3), await createTopic(kafka, 2), await createTopic(kafka, 1)];
  await using agent = agentOf(on, 'a');
  await agent.logged('connected to the controller');
  const writers = ['x', 'y', 'z'].map((name) => startWriter(dir.at(`${name}.log`)));
  await controller.api.call('EntryService', 'CreateEntry', {
    entry_id: 'app',
    entry: { paths: [dir.at('*.log')], topic: topics[0], start: 'beginning' },
  });
  await eventually(async () => assert.ok((await countRecords(kafka, topics[0] as string)) > 500));
  for (const topic of topics.slice(1)) {
    const entry = await controller.api.call('EntryService', 'UpdateEntry', { entry: { name: 'entries/app', topic } });
    await acknowledged(on, 'a', entry);
    await eventually(async () => assert.ok((await countRecords(kafka, topic)) > 500));
  }
  await Promise.all(writers.map((writer) => writer.stop()));
  const lines = writers.reduce((sum, writer) => sum + writer.lines, 0);
  const read = () => Promise.all(topics.map((topic) => readTopic(kafka, topic)));
  await eventually(async () => {
    const counts = await Promise.all(topics.map((topic) => countRecords(kafka, topic)));
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      lines,
    );
  });
  const files = [...assemble((await read()).flat()).values()];
  const contents = new Map(files.map(({ path, bytes }) => [path, bytes]));
  assert.equal(files.length, 3);
  for (const [index, name] of ['x', 'y', 'z'].entries()) {
    assert.deepEqual(contents.get(dir.at(`${name}.log`)), writers[index]?.bytes, `${name}.log`);
  }
});

test('a paused entry holds its position and goes on from there, a deleted one stops', async () => {
  await using on = await ground();
  const { controller, dir, kafka } = on;
  const topic = await createTopic(kafka);
  const log = dir.at('a.log');
  await writeFile(log, 'one\n');
  await using _agent = agentOf(on, 'a');
  const created = await eventually(() =>
    controller.api.call('EntryService', 'CreateEntry', {
      entry_id: 'app',
      entry: { paths: [log], topic, start: 'beginning' },
    }),
  );
  await acknowledged(on, 'a', created);
  await delivered(on, topic, 1);
  const set = (fields: object) =>
    controller.api.call('EntryService', 'UpdateEntry', {
      entry: { name: 'entries/app', ...fields },
      update_mask: { paths: ['paused'] },
    });
  await acknowledged(on, 'a', await set({ paused: true }), 'STATE_PAUSED');
  await appendFile(log, 'two\n');
  await eventually(async () => {
    const [file] = (await agentNow(on, 'a')).files;
    assert.deepEqual([file.state, file.position, file.lag_bytes], ['STATE_PAUSED', '4', '4']);
  });
  assert.equal(await countRecords(kafka, topic), 1);
  await acknowledged(on, 'a', await set({ paused: false }));
  await delivered(on, topic, 2);
  await controller.api.call('EntryService', 'DeleteEntry', { name: 'entries/app' });
  await eventually(async () => {
    const { entries, files } = await agentNow(on, 'a');
    assert.deepEqual([entries, files], [[], []]);
  });
  await appendFile(log, 'three\n');
  // Another entry's line is delivered after it: had the deleted one still been read, its line would be there.
  const other = await createTopic(kafka);
  await writeFile(dir.at('b.txt'), 'b\n');
  await controller.api.call('EntryService', 'CreateEntry', {
    entry_id: 'other',
    entry: { paths: [dir.at('*.txt')], topic: other, start: 'beginning' },
  });
  await delivered(on, other, 1);
  assert.equal(await countRecords(kafka, topic), 2);
});

test(
  'all thirteen loghub files are collected at once by globs, byte for byte, unterminated last lines too when the files go',
  needsLoghub,
  async () => {
    await using on = await ground();
    const { controller, dir, kafka } = on;
    const topic = await createTopic(kafka, 4);
    const names = (await readdir(LOGHUB)).filter((name) => name.endsWith('.log'));
    const contents = new Map<string, Buffer>();
    await using agent = agentOf(on, 'a');
    await agent.logged('connected to the controller');
    const entry = await controller.api.call('EntryService', 'CreateEntry', {
      entry_id: 'loghub',
      entry: { paths: [dir.at('[A-H]*.log'), dir.at('sub', '**', '*.log')], topic, start: 'beginning' },
    });
    await acknowledged(on, 'a', entry);
    await mkdir(dir.at('sub', 'deep'), { recursive: true });
    for (const name of names) {
      const folder = /^[A-H]/.test(name) ? dir.path : dir.at('sub', 'deep');
      const bytes = await readFile(join(LOGHUB, name));
      contents.set(join(folder, name), bytes);
      // As a service does: the file appears, then grows.
      await writeFile(join(folder, name), bytes.subarray(0, 1_000));
      await appendFile(join(folder, name), bytes.subarray(1_000));
    }
    const lastLines = [...contents.values()].filter((bytes) => bytes.at(-1) !== 0x0a).length;
    const lines = [...contents.values()].reduce(
      (sum, bytes) => sum + bytes.toString('latin1').split('\n').length - 1,
      0,
    );
    await delivered(on, topic, lines);
    for (const path of contents.keys()) await unlink(path);
    await eventually(async () => assert.equal(await countRecords(kafka, topic), lines + lastLines), {
      timeoutMs: 30_000,
    });
    const records = await readTopic(kafka, topic);
    const files = [...assemble(records).values()];
    assert.equal(files.length, 13);
    for (const { path, bytes } of files) assert.ok(contents.get(path)?.equals(bytes), `${path} differs`);
    assert.equal(records.filter(({ headers }) => headers['logfleet.flags'] === 'unterminated').length, lastLines);
    await eventually(async () => assert.deepEqual((await agentNow(on, 'a')).files, []), { timeoutMs: 30_000 });
  },
);

test('an unreadable file and a vanished one are shown in the fleet, and the others flow', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root, to run the agent as somebody else');
  await using on = await ground();
  const { controller, dir, kafka } = on;
  const topic = await createTopic(kafka);
  await chown(dir.path, NOBODY, NOBODY);
  await writeFile(dir.at('secret.log'), 'secret\n');
  await chmod(dir.at('secret.log'), 0o600);
  await writeFile(dir.at('open.log'), 'open\n');
  await using _agent = agentOf(on, 'a', { uid: NOBODY });
  const entry = await eventually(() =>
    controller.api.call('EntryService', 'CreateEntry', {
      entry_id: 'app',
      entry: { paths: [dir.at('*.log')], topic, start: 'beginning' },
    }),
  );
  await acknowledged(on, 'a', entry);
  await delivered(on, topic, 1);
  const fileNamed = async (name: string) =>
    (await agentNow(on, 'a')).files.find(({ path }: { path: string }) => path === dir.at(name));
  await eventually(async () => {
    const file = await fileNamed('secret.log');
    assert.equal(file?.state, 'STATE_FAILED');
    assert.match(file.last_error, /EACCES|permission denied/i);
  });
  await rename(dir.at('open.log'), dir.at('open.moved'));
  await eventually(async () => assert.equal((await fileNamed('open.log'))?.state, 'STATE_DRAINING'));
  await chown(dir.at('secret.log'), NOBODY, NOBODY);
  await delivered(on, topic, 2);
  await eventually(async () => assert.equal((await fileNamed('secret.log'))?.last_error, ''));
});
