import assert from 'node:assert/strict';
import { appendFile, chmod, mkdir, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type Asking, allOf } from '../support/ask-streams.ts';
import { newPrefix, startController } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import {
  agentOf,
  agentStatus,
  createFleet,
  type FleetFixture,
  waitUntilAcknowledged,
  waitUntilDelivered,
} from '../support/fleet-fixture.ts';
import { violatedFields } from '../support/grpc-client.ts';
import { startWriter } from '../support/line-writer.ts';
import { runProcess } from '../support/process.ts';
import { sharedEtcd } from '../support/servers.ts';
import { createTopic, newTopic, readTopic } from '../support/topics.ts';

const NOBODY = 65_534;

async function previewOf({ controller }: Pick<FleetFixture, 'controller'>, request: object): Promise<Asking[]> {
  return allOf(controller.api.stream('FleetService', 'PreviewEntry', { watch_ms: 300, ...request }));
}

test('a preview shows the files, positions and records that are then collected, and writes nothing', async () => {
  await using on = await createFleet();
  const { dir, kafka, controller } = on;
  await mkdir(dir.at('logs', 'below'), { recursive: true });
  await mkdir(dir.at('state-web-1'));
  for (const folder of [dir.path, dir.at('state-web-1')]) await chmod(folder, 0o777);
  await using agent = agentOf(on, 'web-1', { uid: NOBODY });
  await agent.logged('connected to the controller');
  const texts = Array.from(
    { length: 2_000 },
    (_, index) => `${index} ${index % 2 ? 'keep' : 'no'}\n  at ${'z'.repeat(index % 90)}\n`,
  );
  await writeFile(dir.at('logs', 'a.log'), texts.join(''));
  await writeFile(dir.at('logs', 'below', 'b.log'), '1 keep\n2 no\n3 keep\nhalf');
  await writeFile(dir.at('logs', 'old.log'), gzipSync('1 keep\n'));
  await writeFile(dir.at('logs', 'secret.log'), '1 keep\n', { mode: 0o000 });
  await writeFile(dir.at('logs', 'other.txt'), '1 keep\n');
  const topic = newTopic();
  const rules = {
    paths: [dir.at('logs', '**', '*.log')],
    topic,
    multiline: { continuation: '^ ', timeout_ms: 50 },
    filter: { include: '^\\d+ keep' },
  };
  const writer = startWriter(dir.at('logs', 'grows.log'));
  const answers: Asking[] = [];
  for (const start of ['beginning', 'end'])
    answers.push(...(await previewOf(on, { entry: { ...rules, start }, lines: 2 })));
  await writer.stop();
  const [, { preview: fewer }] = await previewOf(on, { entry: rules, files_max: 3 });
  assert.match(fewer.truncated, /^only 3 files are listed/, 'secret.log is not listed, nor any file that is read');
  const [asked, { preview }, , { preview: fromEnd }] = answers;
  assert.deepEqual([asked.asked.matching, asked.asked.asked, asked.asked.away], [1, 1, 0]);
  const filesOf = ({ files }: Asking) => new Map<string, Asking>(files.map((file: Asking) => [file.path, file]));
  const files = filesOf(preview);
  const seen = ['a.log', 'below/b.log', 'grows.log', 'secret.log'].map((name) => dir.at('logs', name));
  assert.deepEqual([...files.keys()].sort(), seen);
  assert.equal(preview.files[0].path, dir.at('logs', 'grows.log'), 'what grows comes first');
  assert.ok(preview.bytes_per_second > 1_000, String(preview.bytes_per_second));
  assert.deepEqual([preview.file_count, preview.archives, preview.trouble_count, preview.truncated], [3, 1, 1, '']);
  assert.match(files.get(dir.at('logs', 'secret.log')).error, /EACCES/);
  assert.match(preview.troubles[0].error, /EACCES/);
  assert.deepEqual(preview.conflicts, []);
  // Only grows.log has lines that the filter excludes; of the other files it excludes half.
  assert.ok(Number(preview.kept_records) > 0 && Number(preview.kept_records) < Number(preview.sampled_records));
  const { entries } = await controller.api.call('EntryService', 'ListEntries', {});
  assert.deepEqual([entries, (await agentStatus(on, 'web-1')).files], [[], []]);

  const entry = { ...rules, start: 'beginning' };
  const created = await controller.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry });
  await waitUntilAcknowledged(on, 'web-1', created);
  await waitUntilDelivered(on, topic, 1_002);
  const collected = await eventually(async () => {
    const now = await agentStatus(on, 'web-1');
    const read = now.files.filter(({ state }: Asking) => state !== 'STATE_SKIPPED');
    assert.deepEqual(read.map(({ path }: Asking) => path).sort(), seen);
    return read;
  });
  assert.match(collected.find(({ path }: Asking) => path.endsWith('secret.log')).last_error, /EACCES/);
  const records = (await readTopic(kafka, topic)).map(({ headers, value }) => [
    headers['log.file.path'],
    String(value),
  ]);
  for (const name of ['a.log', 'below/b.log']) {
    const values = records.filter(([path]) => path === dir.at('logs', name)).map(([, value]) => value);
    const { first_lines: first, last_lines: last } = files.get(dir.at('logs', name));
    assert.deepEqual(first.map(String), values.slice(0, 2));
    assert.deepEqual(last.map(String), values.slice(-2));
  }
  const b = filesOf(fromEnd).get(dir.at('logs', 'below', 'b.log'));
  assert.deepEqual([b.start, b.size], ['19', '23'], 'the half line goes when it is whole');

  const twice = (more: object) => previewOf(on, { entry: { ...entry, ...more } });
  const [, { preview: conflicting }] = await twice({ name: 'entries/second' });
  const path = dir.at('logs', 'grows.log');
  assert.deepEqual(
    conflicting.conflicts.map(({ path: _, ...conflict }: Asking) => conflict),
    [{ entry: 'entries/app', topic, same_topic: true, files: 3 }],
  );
  const [, { preview: elsewhere }] = await twice({ topic: await createTopic(kafka), paths: [path] });
  assert.deepEqual(elsewhere.conflicts, [{ entry: 'entries/app', topic, same_topic: false, files: 1, path }]);
  // The same entry continues at its position.
  await appendFile(dir.at('logs', 'a.log'), '2001 keep\n');
  const [, { preview: again }] = await twice({ name: 'entries/app', start: 'end' });
  assert.equal(again.present_etag, created.etag);
  assert.deepEqual(again.conflicts, []);
  assert.equal(filesOf(again).get(dir.at('logs', 'below', 'b.log')).start, '19');
});

test('a preview names invalid fields as a write does, and says when files are left out or no agent matches', async () => {
  await using on = await createFleet();
  const { dir, controller } = on;
  await using agent = agentOf(on, 'web-1', { labels: { env: 'prod' } });
  await agent.logged('connected to the controller');
  for (let index = 0; index < 30; index++) await writeFile(dir.at(`${index}.log`), 'x\n');
  await assert.rejects(previewOf(on, { entry: { paths: ['a'], topic: '' } }), (error) => {
    assert.deepEqual(violatedFields(error), ['entry.paths[0]', 'entry.topic']);
    return true;
  });
  const entry = { paths: [dir.at('*.log')], topic: 't', selector: 'env=prod' };
  const [, { preview }] = await previewOf(on, { entry, files_max: 10 });
  assert.deepEqual([preview.file_count, preview.files.length], [30, 10]);
  assert.match(preview.truncated, /only 10 files are listed/);
  const nobody = await previewOf(on, { entry, label_selector: 'env=stage' });
  assert.deepEqual(
    nobody.map(({ asked }) => asked),
    [{ matching: 0, asked: 0, away: 0, left_out: 0 }],
  );
  await writeFile(dir.at('entry.yaml'), JSON.stringify({ name: 'app', ...entry }));
  const run = (...args: string[]) =>
    runProcess('cli/main.ts', ['--controller', controller.address, 'preview', '-f', dir.at('entry.yaml'), ...args]);
  const shown = await run('--watch', '100ms', '--lines', '1');
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, /^web-1: 30 files, 60 B; 0 B to read at the start, then 0 B\/s\n/);
  assert.match(shown.stdout, new RegExp(`  PATH +SIZE +RATE +FROM +ERROR\n  ${dir.at('0.log')} +2 B +0 B/s +2 +-\n`));
  assert.match(shown.stdout, new RegExp(`  ${dir.at('0.log')}\n    \\| x\n`));
  const { previews } = JSON.parse((await run('--watch', '100ms', '-o', 'json')).stdout);
  assert.deepEqual(previews[0].agents[0].files[0].first_lines, ['x']);
  assert.deepEqual(previews[0].asked, { matching: 1, asked: 1 });
  const warned = await run('-l', 'env=stage');
  assert.deepEqual([warned.code, warned.stdout], [0, '']);
  assert.match(warned.stderr, /^warning: no agent matches env=prod and env=stage\n$/);
});

test('the selector of a new entry matches agents of every controller', async () => {
  const [etcd, prefix] = [await sharedEtcd(), newPrefix()];
  await using a = await startController(etcd, prefix);
  await using b = await startController(etcd, prefix);
  await using on = await createFleet();
  const options = { kafka: on.kafka, dir: on.dir };
  await using one = agentOf({ ...on, ...options, controller: a }, 'one');
  await using two = agentOf({ ...on, ...options, controller: b }, 'two');
  await Promise.all([one, two].map((agent) => agent.logged('connected to the controller')));
  await writeFile(on.dir.at('x.log'), 'x\n');
  const entry = { paths: [on.dir.at('x.log')], topic: 't', selector: 'agent in (one,two)' };
  for (const controller of [a, b]) {
    const answers = await eventually(async () => {
      const answered = await previewOf({ controller }, { entry });
      assert.equal(answered.length, 3, JSON.stringify(answered));
      return answered;
    });
    const counts = answers.slice(1).map(({ agent, preview }) => [agent, preview?.file_count]);
    assert.deepEqual(counts.sort(), [
      ['agents/one', 1],
      ['agents/two', 1],
    ]);
  }
  await two.kill('SIGTERM');
  await writeFile(on.dir.at('entry.yaml'), JSON.stringify({ name: 'app', ...entry, selector: '' }));
  const run = (...args: string[]) => runProcess('cli/main.ts', ['--controller', a.address, ...args]);
  await eventually(async () => {
    const { code, stderr } = await run('preview', '-f', on.dir.at('entry.yaml'), '--watch', '1ms');
    assert.deepEqual([code, stderr], [0, 'warning: 1 agent is not connected and was skipped\n']);
  });
  const { code, stderr } = await run('loglevel', 'agent/two', 'debug');
  assert.deepEqual([code, stderr], [3, 'error: agent/two is not connected\n']);
});
