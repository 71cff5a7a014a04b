import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { assemble } from '../../support/assemble.ts';
import { eventually } from '../../support/eventually.ts';
import { startProcess } from '../../support/process.ts';
import { sharedKafka } from '../../support/servers.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { alterTopic, countRecords, createTopic, readTopic } from '../../support/topics.ts';

const PARTITIONS = 24;
const FILES = 12;
const LINES = 3_000;

// vector's single mpsc (catalogue 100), vector #18044, otel #18476, fb #1903 (catalogue 104): a
// blocked output uses up the memory of all.
test('a blocked topic of many partitions neither fills memory nor delays another, and recovers', async () => {
  const kafka = await sharedKafka();
  // The broker refuses records without a key until this is reset: INVALID_RECORD.
  const configEntries = [{ name: 'cleanup.policy', value: 'compact' }];
  const blocked = await createTopic(kafka, PARTITIONS, { configEntries });
  const open = await createTopic(kafka, 1);
  await using dir = await tempDir();
  const contents = Array.from({ length: FILES }, () =>
    // Random, so it does not compress: 12 times 2 MB, while all batches together may hold 4 MB.
    Array.from({ length: LINES }, () => `${randomBytes(500).toString('base64')}\n`).join(''),
  );
  for (const [index, content] of contents.entries()) await writeFile(dir.at(`blocked-${index}.log`), content);
  const entries = [
    { name: 'blocked', paths: [dir.at('blocked-*.log')], topic: blocked, start: 'beginning' },
    { name: 'open', paths: [dir.at('open.log')], topic: open, start: 'beginning' },
  ];
  await writeFile(dir.at('entries.yaml'), JSON.stringify({ entries }));
  const args = ['--entries', dir.at('entries.yaml'), '--kafka', kafka.join(','), '--state', dir.at('state')];
  await using agent = startProcess('agent/main.ts', [...args, '--buffer-memory', '4MiB', '--scan-interval', '500ms']);
  await agent.logged('delivery is held up');
  await writeFile(dir.at('open.log'), 'a line\n'.repeat(1_000));
  await eventually(async () => assert.equal(await countRecords(kafka, open), 1_000), { timeoutMs: 30_000 });
  assert.equal(await countRecords(kafka, blocked), 0);
  await alterTopic(kafka, blocked, { 'cleanup.policy': 'delete' });
  await eventually(async () => assert.equal(await countRecords(kafka, blocked), FILES * LINES, agent.stderr()), {
    timeoutMs: 40_000,
  });
  const delivered = [...assemble(await readTopic(kafka, blocked)).values()];
  assert.deepEqual(delivered.map(({ bytes }) => bytes.toString()).sort(), [...contents].sort());
});
