import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { appendFile, mkdir, readdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { assemble } from '../support/assemble.ts';
import { eventually } from '../support/eventually.ts';
import { kcatValues } from '../support/kcat.ts';
import { LOGHUB, needsLoghub } from '../support/loghub.ts';
import { runProcess, startProcess } from '../support/process.ts';
import { sharedKafka } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { countRecords, createTopic, readTopic } from '../support/topics.ts';

const FILES = 2_000;

async function writeEntries(file: string, entries: object[]): Promise<void> {
  await writeFile(file, JSON.stringify({ entries }));
}

test('--once delivers all thirteen loghub files byte for byte, and stops', needsLoghub, async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka, 4);
  await using dir = await tempDir();
  await writeEntries(dir.at('entries.yaml'), [{ name: 'loghub', paths: [join(LOGHUB, '*.log')], topic }]);
  const args = ['--entries', dir.at('entries.yaml'), '--kafka', kafka.join(','), '--state', dir.at('state'), '--once'];
  const { code, stderr } = await runProcess('agent/main.ts', args);
  assert.equal(code, 0, stderr);
  const files = assemble(await readTopic(kafka, topic));
  const names = (await readdir(LOGHUB)).filter((name) => name.endsWith('.log'));
  assert.equal(files.size, 13);
  for (const { path, bytes } of files.values()) assert.ok(bytes.equals(await readFile(path)), `${path} differs`);
  assert.deepEqual([...files.values()].map(({ path }) => path).sort(), names.map((name) => join(LOGHUB, name)).sort());

  const again = await runProcess('agent/main.ts', args);
  assert.equal(again.code, 0, again.stderr);
  const lines = [...files.values()].reduce((sum, { records }) => sum + records, 0);
  assert.equal(await countRecords(kafka, topic), lines, 'a second run has nothing to do');
});

for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
  test(`compression ${compression} is read back by independent consumers`, async (t) => {
    const kafka = await sharedKafka();
    const topic = await createTopic(kafka);
    await using dir = await tempDir();
    // Lines that compress and lines that don't, empty lines, CRs, NULs and bytes that are not
    // UTF-8.
    const lines = Array.from({ length: 3_000 }, (_, index) =>
      index % 3 === 0 ? Buffer.from(`GET /page/${index} HTTP/1.1\r`) : randomBytes((index * 7) % 900),
    ).map((line) => line.map((byte) => (byte === 0x0a ? 0 : byte)));
    const content = Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]));
    await writeFile(dir.at('a.log'), content);
    await writeEntries(dir.at('entries.yaml'), [{ name: 'a', paths: [dir.at('*.log')], topic, compression }]);
    const own = ['--entries', dir.at('entries.yaml'), '--state', dir.at('state'), '--once'];
    const { code, stderr } = await runProcess('agent/main.ts', [...own, '--kafka', kafka.join(',')]);
    assert.equal(code, 0, stderr);
    const [file] = assemble(await readTopic(kafka, topic)).values();
    assert.ok(file?.bytes.equals(content));
    const values = await kcatValues(kafka, topic);
    if (values) assert.deepEqual(values, lines.map(Buffer.from));
    else t.diagnostic('kcat is not installed: read back with kafkajs alone');
  });
}

test('a file is followed through growth, rename and truncation, and a second start continues where the first stopped', async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka, 2);
  await using dir = await tempDir();
  await mkdir(dir.at('logs'));
  const log = dir.at('logs', 'app.log');
  await writeFile(log, 'old\n');
  await writeEntries(dir.at('entries.yaml'), [{ name: 'app', paths: [dir.at('logs', '*.log')], topic, start: 'end' }]);
  const args = [
    '--entries',
    dir.at('entries.yaml'),
    '--kafka',
    kafka.join(','),
    '--state',
    dir.at('state'),
    '--log.level',
    'debug',
  ];
  const delivered = async (count: number) =>
    eventually(async () => assert.equal(await countRecords(kafka, topic), count));
  {
    await using agent = startProcess('agent/main.ts', args);
    await agent.logged('reading a file');
    await appendFile(log, 'one\ntw');
    await delivered(1);
    await appendFile(log, 'o\r\n');
    await delivered(2);
    await rename(log, dir.at('logs', 'app.log.1'));
    await appendFile(dir.at('logs', 'app.log.1'), 'late\n');
    await writeFile(log, 'new\n');
    await delivered(4);
    await truncate(log);
    await appendFile(log, 'after\n');
    await delivered(5);
    await agent.kill('SIGTERM');
    assert.equal((await agent.exited).code, 0, agent.stderr());
  }
  await appendFile(log, 'down\n');
  await using agent = startProcess('agent/main.ts', args);
  await delivered(6);
  await agent.kill('SIGTERM');
  const values = (await readTopic(kafka, topic)).map(({ value }) => value.toString()).sort();
  assert.deepEqual(values, ['after', 'down', 'late', 'new', 'one', 'two\r']);
});

test('a topic that takes only small batches gets them, each line once', async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka, 1, { configEntries: [{ name: 'max.message.bytes', value: '40000' }] });
  await using dir = await tempDir();
  const content = Buffer.from(
    randomBytes(1_500_000)
      .toString('base64')
      .replace(/(.{120})/g, '$1\n'),
  );
  await writeFile(dir.at('a.log'), content);
  await writeEntries(dir.at('entries.yaml'), [{ name: 'a', paths: [dir.at('*.log')], topic }]);
  const own = ['--entries', dir.at('entries.yaml'), '--state', dir.at('state'), '--once'];
  const { code, stderr } = await runProcess('agent/main.ts', [...own, '--kafka', kafka.join(',')]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /sending smaller batches/);
  const [file] = assemble(await readTopic(kafka, topic)).values();
  assert.ok(file?.bytes.equals(content));
});

test('kill -9 at any time loses nothing and doubles nothing', async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka);
  await using dir = await tempDir();
  const lines = Array.from({ length: 200_000 }, (_, index) => `line ${index} ${'x'.repeat(index % 90)}\n`);
  await writeFile(dir.at('a.log'), lines.join(''));
  await writeEntries(dir.at('entries.yaml'), [{ name: 'a', paths: [dir.at('*.log')], topic, start: 'beginning' }]);
  const args = ['--entries', dir.at('entries.yaml'), '--kafka', kafka.join(','), '--state', dir.at('state')];
  for (let round = 0; round < 4; round++) {
    await using agent = startProcess('agent/main.ts', args);
    await eventually(async () => assert.ok((await countRecords(kafka, topic)) > round * 20_000));
    await agent.kill('SIGKILL');
  }
  const { code, stderr } = await runProcess('agent/main.ts', [...args, '--once']);
  assert.equal(code, 0, stderr);
  const [file] = assemble(await readTopic(kafka, topic)).values();
  assert.ok(file?.bytes.equals(Buffer.from(lines.join(''))));
});

test('behind a link, files that were rotated after each kill -9 are read to their ends, each line once', async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka);
  await using dir = await tempDir();
  const file = dir.at('pods', 'c', '0.log');
  for (const folder of ['pods/c', 'containers']) await mkdir(dir.at(folder), { recursive: true });
  await symlink('../pods/c/0.log', dir.at('containers', 'c.log'));
  await writeEntries(dir.at('entries.yaml'), [
    { name: 'a', paths: [dir.at('containers', '*.log')], topic, start: 'beginning' },
  ]);
  const args = ['--entries', dir.at('entries.yaml'), '--kafka', kafka.join(','), '--state', dir.at('state')];
  const expected: string[] = [];
  const append = async (name: string, count: number) => {
    const lines = Array.from({ length: count }, (_, line) => `${name} ${line}`);
    await appendFile(file, `${lines.join('\n')}\n`);
    expected.push(...lines);
  };
  for (let round = 0; round < 3; round++) {
    await append(`${round} first`, 1_000);
    await using agent = startProcess('agent/main.ts', args);
    // A file that is rotated away before the agent has seen it is not promised.
    const isSeen = async () =>
      (await readTopic(kafka, topic)).some(({ value }) => String(value) === `${round} first 0`);
    await eventually(async () => assert.ok(await isSeen()));
    await append(`${round} in flight`, 20_000);
    await agent.kill('SIGKILL');
    await append(`${round} late`, 1_000);
    await rename(file, `${file}.${round}`);
  }
  await append('last', 1);
  const { code, stderr } = await runProcess('agent/main.ts', [...args, '--once']);
  assert.equal(code, 0, stderr);
  const values = (await readTopic(kafka, topic)).map(({ value }) => String(value));
  const delivered = new Set(values);
  const missing = expected.filter((line) => !delivered.has(line));
  assert.deepEqual([missing.slice(0, 3), missing.length, values.length], [[], 0, expected.length]);
});

test('SIGTERM during the first scan of many files stops the agent cleanly', async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka);
  await using dir = await tempDir();
  await mkdir(dir.at('logs'));
  await Promise.all(
    Array.from({ length: FILES }, (_, index) => writeFile(dir.at('logs', `${index}.log`), `${index}\n`)),
  );
  await writeEntries(dir.at('entries.yaml'), [
    { name: 'a', paths: [dir.at('logs', '*.log')], topic, start: 'beginning' },
  ]);
  const args = ['--entries', dir.at('entries.yaml'), '--kafka', kafka.join(','), '--state', dir.at('state')];
  await using agent = startProcess('agent/main.ts', args);
  await agent.logged('agent started');
  await agent.kill('SIGTERM');
  assert.equal((await agent.exited).code, 0, agent.stderr());
  const rest = await runProcess('agent/main.ts', [...args, '--once']);
  assert.equal(rest.code, 0, rest.stderr);
  const values = (await readTopic(kafka, topic)).map(({ value }) => Number(value));
  assert.deepEqual(
    values.sort((a, b) => a - b),
    Array.from({ length: FILES }, (_, index) => index),
  );
});

test('a changed entries file is applied; one that is wrong changes nothing, and the health file says why', async () => {
  const kafka = await sharedKafka();
  const [first, second] = [await createTopic(kafka), await createTopic(kafka)];
  await using dir = await tempDir();
  const file = dir.at('entries.yaml');
  const health = async () => JSON.parse(await readFile(dir.at('state', 'health.json'), 'utf8'));
  await writeFile(dir.at('a.log'), 'one\n');
  const entry = { name: 'a', paths: [dir.at('*.log')], start: 'beginning' };
  await writeEntries(file, [{ ...entry, topic: first }]);
  await using agent = startProcess('agent/main.ts', [
    ...['--entries', file, '--kafka', kafka.join(','), '--state', dir.at('state'), '--report_interval', '1h'],
  ]);
  await eventually(async () => assert.equal(await countRecords(kafka, first), 1));
  const { error, pid } = await health();
  assert.deepEqual([error, pid], ['', agent.pid]);

  await writeEntries(file, [{ ...entry, topic: second, compression: 'zip' }]);
  const rejected = await agent.logged('the changed entries cannot be used; the previous entries stay in force');
  assert.match(String(rejected['error']), /entries\.yaml:1: compression: /);
  assert.match(String(rejected['remedy']), /correct the file/);
  await eventually(async () => {
    const { error, entries } = await health();
    assert.match(error, /compression/);
    const shown = { entry: 'entries/a', state: 'STATE_APPLIED', error: '', files: 1, failed_files: 0 };
    assert.deepEqual(entries, [shown]);
  });
  await appendFile(dir.at('a.log'), 'two\n');
  await eventually(async () => assert.equal(await countRecords(kafka, first), 2));

  await writeEntries(dir.at('new.yaml'), [
    { ...entry, topic: second },
    { ...entry, name: 'b', topic: second },
  ]);
  await rename(dir.at('new.yaml'), file);
  const applied = await agent.logged('applied the changed entries');
  assert.deepEqual([applied['added'], applied['changed'], applied['deleted']], [['entries/b'], ['entries/a'], []]);
  await appendFile(dir.at('a.log'), 'three\n');
  // The third line of entry a, and all lines of entry b.
  await eventually(async () => assert.equal(await countRecords(kafka, second), 4));
  await eventually(async () => assert.equal((await health()).error, ''));
  assert.equal(await countRecords(kafka, first), 2);
  await agent.kill('SIGTERM');
  await assert.rejects(health(), /ENOENT/);
});

test('a folder of entries is followed as Kubernetes mounts it: each version of the ConfigMap is applied', async () => {
  const kafka = await sharedKafka();
  const topics = [await createTopic(kafka), await createTopic(kafka), await createTopic(kafka)];
  await using dir = await tempDir();
  const mounted = dir.at('config');
  const mount = async (version: number) => {
    await mkdir(join(mounted, `..${version}`), { recursive: true });
    for (const name of ['a', 'b'])
      await writeEntries(join(mounted, `..${version}`, `${name}.yaml`), [
        { name, paths: [dir.at(`${name}.log`)], topic: topics[version], start: 'beginning' },
      ]);
    await symlink(`..${version}`, join(mounted, '..data_tmp'));
    await rename(join(mounted, '..data_tmp'), join(mounted, '..data'));
    await rm(join(mounted, `..${version - 1}`), { recursive: true, force: true });
  };
  await mount(0);
  for (const name of ['a', 'b']) {
    await symlink(`..data/${name}.yaml`, join(mounted, `${name}.yaml`));
    await writeFile(dir.at(`${name}.log`), '');
  }
  await using agent = startProcess('agent/main.ts', [
    ...['--entries', mounted, '--kafka', kafka.join(','), '--state', dir.at('state')],
  ]);
  await agent.logged('agent started');
  for (const [version, topic] of topics.entries()) {
    if (version > 0) await mount(version);
    await eventually(() => assert.equal(agent.stderr().split('"applied the changed entries"').length - 1, version));
    for (const name of ['a', 'b']) await appendFile(dir.at(`${name}.log`), `${name} ${version}\n`);
    await eventually(async () => assert.equal(await countRecords(kafka, topic), 2));
  }
});

test('a state folder is held by one agent at a time', async () => {
  const kafka = await sharedKafka();
  await using dir = await tempDir();
  await writeEntries(dir.at('entries.yaml'), [{ name: 'a', paths: [dir.at('*.log')], topic: 'none-yet' }]);
  const args = ['--entries', dir.at('entries.yaml'), '--kafka', kafka.join(','), '--state', dir.at('state')];
  await using first = startProcess('agent/main.ts', args);
  await first.logged('agent started');
  const second = await runProcess('agent/main.ts', args);
  assert.equal(second.code, 1);
  assert.match(second.stderr, /is locked by another logfleet-agent/);
});
