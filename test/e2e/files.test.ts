import assert from 'node:assert/strict';
import { appendFile, chmod, chown, mkdir, readdir, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import { assemble } from '../support/assemble.ts';
import { eventually } from '../support/eventually.ts';
import {
  agentOf,
  agentStatus,
  createFleet,
  waitUntilAcknowledged,
  waitUntilDelivered,
} from '../support/fleet-fixture.ts';
import { LOGHUB, needsLoghub } from '../support/loghub.ts';
import { countRecords, createTopic, readTopic } from '../support/topics.ts';

const NOBODY = 65_534;

interface FileOfApi {
  path: string;
  history: { reason: string }[];
}

test(
  'all thirteen loghub files are collected at once by globs, byte for byte, unterminated last lines too when the files go',
  needsLoghub,
  async () => {
    await using on = await createFleet();
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
    await waitUntilAcknowledged(on, 'a', entry);
    await mkdir(dir.at('sub', 'deep'), { recursive: true });
    for (const name of names) {
      const folder = /^[A-H]/.test(name) ? dir.path : dir.at('sub', 'deep');
      const bytes = await readFile(join(LOGHUB, name));
      contents.set(join(folder, name), bytes);
      // As services do: the file is created, then grows.
      await writeFile(join(folder, name), bytes.subarray(0, 1_000));
      await appendFile(join(folder, name), bytes.subarray(1_000));
    }
    const lastLines = [...contents.values()].filter((bytes) => bytes.at(-1) !== 0x0a).length;
    const lines = [...contents.values()].reduce(
      (sum, bytes) => sum + bytes.toString('latin1').split('\n').length - 1,
      0,
    );
    await waitUntilDelivered(on, topic, lines);
    for (const path of contents.keys()) await unlink(path);
    await eventually(async () => assert.equal(await countRecords(kafka, topic), lines + lastLines), {
      timeoutMs: 30_000,
    });
    const records = await readTopic(kafka, topic);
    const files = [...assemble(records).values()];
    assert.equal(files.length, 13);
    for (const { path, bytes } of files) assert.ok(contents.get(path)?.equals(bytes), `${path} differs`);
    assert.equal(records.filter(({ headers }) => headers['logfleet.flags'] === 'unterminated').length, lastLines);
    await eventually(async () => assert.deepEqual((await agentStatus(on, 'a')).files, []), { timeoutMs: 30_000 });
  },
);

test('the fleet shows an unreadable file and a vanished one, and other files are delivered', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root, to run the agent as somebody else');
  await using on = await createFleet();
  const { controller, dir, kafka } = on;
  const topic = await createTopic(kafka);
  await chown(dir.path, NOBODY, NOBODY);
  await writeFile(dir.at('secret.log'), 'secret\n');
  await chmod(dir.at('secret.log'), 0o600);
  await writeFile(dir.at('open.log'), 'open\n');
  await using agent = agentOf(on, 'a', { uid: NOBODY });
  const entry = await controller.api.call('EntryService', 'CreateEntry', {
    entry_id: 'app',
    entry: { paths: [dir.at('*.log')], topic, start: 'beginning' },
  });
  await waitUntilAcknowledged(on, 'a', entry);
  await waitUntilDelivered(on, topic, 1);
  const fileNamed = async (name: string) =>
    (await agentStatus(on, 'a')).files.find(({ path }: { path: string }) => path === dir.at(name));
  await eventually(async () => {
    const file = await fileNamed('secret.log');
    assert.equal(file?.state, 'STATE_FAILED');
    assert.match(file.last_error, /EACCES|permission denied/i);
  });
  const [status] = (await agentStatus(on, 'a')).entries;
  assert.deepEqual([status.files, status.failed_files, status.state], [2, 1, 'STATE_APPLIED']);
  assert.equal((await agent.logged('file cannot be read'))['path'], dir.at('secret.log'));
  await rename(dir.at('open.log'), dir.at('open.moved'));
  await eventually(async () => assert.equal((await fileNamed('open.log'))?.state, 'STATE_DRAINING'));
  await chown(dir.at('secret.log'), NOBODY, NOBODY);
  await waitUntilDelivered(on, topic, 2);
  await eventually(async () => assert.equal((await fileNamed('secret.log'))?.last_error, ''));
});

// stanza-plugins#96.
test('archives beside a log are not read, are logged once, and are shown as skipped with their format', async () => {
  await using on = await createFleet();
  const { controller, dir, kafka } = on;
  const topic = await createTopic(kafka);
  await writeFile(dir.at('app.log'), 'one\n');
  await writeFile(dir.at('app.log.1.gz'), gzipSync('old\n'));
  await writeFile(dir.at('app.log.2.z'), deflateSync('older\n'));
  await using agent = agentOf(on, 'a');
  const entry = await controller.api.call('EntryService', 'CreateEntry', {
    entry_id: 'app',
    entry: { paths: [dir.at('app.log*')], topic, start: 'beginning' },
  });
  await waitUntilAcknowledged(on, 'a', entry);
  await waitUntilDelivered(on, topic, 1);
  await eventually(async () => {
    const { entries, files } = await agentStatus(on, 'a');
    const skipped = files.filter(({ state }: { state: string }) => state === 'STATE_SKIPPED');
    const reasons = skipped.map(({ path, history }: FileOfApi) => [path, history.at(-1)?.reason]);
    assert.deepEqual(reasons, [
      [dir.at('app.log.1.gz'), 'gzip archive'],
      [dir.at('app.log.2.z'), 'zlib archive'],
    ]);
    assert.deepEqual([entries[0].files, entries[0].failed_files], [3, 0]);
  });
  const logged = agent.stderr().match(/archive is not read/g) ?? [];
  assert.equal(logged.length, 2);
  assert.equal(await countRecords(kafka, topic), 1);
});
