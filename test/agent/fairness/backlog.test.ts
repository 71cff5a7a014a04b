import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { appendFile, mkdir, open, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { startProcess } from '../../support/process.ts';
import { sharedKafka } from '../../support/servers.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { countRecords, createTopic, readTopic } from '../../support/topics.ts';

const LIVE_FILES = 100;
const LINE_BYTES = 1_000;
const CHUNK_LINES = 1_000;
const CHUNKS = 300;
const BACKLOG_LINES = CHUNK_LINES * CHUNKS;

// vector test_fair_reads, otel #17846, #50328 (catalogue 99).
test('lines of 100 live files arrive while a backlog of 300 MB is read, on the same partition', async (t) => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka);
  await using dir = await tempDir();
  await mkdir(dir.at('live'));
  const chunk = `${randomBytes(LINE_BYTES)
    .toString('base64')
    .slice(0, LINE_BYTES - 1)}\n`.repeat(CHUNK_LINES);
  const backlog = await open(dir.at('backlog.log'), 'w');
  for (let index = 0; index < CHUNKS; index++) await backlog.write(chunk);
  await backlog.close();
  const names = Array.from({ length: LIVE_FILES }, (_, index) => dir.at('live', `${index}.log`));
  for (const name of names) await writeFile(name, '');
  const entries = [
    { name: 'backlog', paths: [dir.at('backlog.log')], topic, start: 'beginning' },
    { name: 'live', paths: [dir.at('live/*.log')], topic, start: 'beginning' },
  ];
  await writeFile(dir.at('entries.yaml'), JSON.stringify({ entries }));
  const args = ['--entries', dir.at('entries.yaml'), '--kafka', kafka.join(','), '--state', dir.at('state')];
  await using agent = startProcess('agent/main.ts', args);
  await eventually(async () => assert.ok((await countRecords(kafka, topic)) > 1_000, agent.stderr()));
  for (const name of names) await appendFile(name, 'live\n');
  const all = async () => assert.equal(await countRecords(kafka, topic), BACKLOG_LINES + LIVE_FILES, agent.stderr());
  await eventually(all, { timeoutMs: 60_000 });
  const entriesInOrder = (await readTopic(kafka, topic)).map(({ headers }) => headers['logfleet.entry']);
  const last = entriesInOrder.lastIndexOf('live');
  t.diagnostic(`the last live line is record ${last} of ${entriesInOrder.length}`);
  assert.ok(last < BACKLOG_LINES * 0.9, `the last live line is record ${last}`);
});
