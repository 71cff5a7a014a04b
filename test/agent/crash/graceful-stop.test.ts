import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { assemble } from '../../support/assemble.ts';
import { eventually } from '../../support/eventually.ts';
import { runProcess, startProcess } from '../../support/process.ts';
import { sharedKafka } from '../../support/servers.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { countRecords, createTopic, readTopic } from '../../support/topics.ts';

const LINES = 30_000;

// Catalogue 78 (vector file_duplicate_processing_after_restart; otel Shutdown Logic; kafkajs #879).
test('SIGTERM amid a backlog waits for all responses and stores them; the next start has no open batches', async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka, 2);
  await using dir = await tempDir('stop');
  const content = Array.from({ length: LINES }, (_, index) => `line ${index} ${'x'.repeat(index % 3_000)}\n`).join('');
  for (const name of ['a.log', 'b.log']) await writeFile(dir.at(name), content);
  const entries = [{ name: 'a', paths: [dir.at('*.log')], topic, start: 'beginning' }];
  await writeFile(dir.at('entries.yaml'), JSON.stringify({ entries }));
  const args = ['--entries', dir.at('entries.yaml'), '--kafka', kafka.join(','), '--state', dir.at('state')];
  {
    await using agent = startProcess('agent/main.ts', args);
    await eventually(async () => assert.ok((await countRecords(kafka, topic)) > 1_000));
    await agent.kill('SIGTERM');
    assert.equal((await agent.exited).code, 0, agent.stderr());
  }
  const db = new DatabaseSync(dir.at('state', 'checkpoints.db'));
  const { open } = db.prepare('SELECT count(*) AS open FROM intent').get() as { open: number };
  const { reached } = db.prepare('SELECT sum(position) AS reached FROM generation').get() as { reached: number };
  db.close();
  const delivered = [...assemble(await readTopic(kafka, topic)).values()];
  assert.equal(open, 0);
  assert.equal(
    reached,
    delivered.reduce((sum, { bytes }) => sum + bytes.length, 0),
  );
  const { code, stderr } = await runProcess('agent/main.ts', [...args, '--once']);
  assert.equal(code, 0, stderr);
  assert.equal(await countRecords(kafka, topic), 2 * LINES);
});
