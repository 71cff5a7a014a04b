import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { assemble } from '../support/assemble.ts';
import { eventually } from '../support/eventually.ts';
import { startWriter } from '../support/line-writer.ts';
import { startProcess } from '../support/process.ts';
import { sharedKafka } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { countRecords, createTopic, readTopic } from '../support/topics.ts';

const RELOADS = 2;

// Catalogue 109 (beats #31767, loong #597) and 111 (beats #30061, #41954;
// imfile-same-file-monitors.sh).
test('an entry that changes while its file grows delivers each line once, and so does another entry on the same file', async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka);
  await using dir = await tempDir('reload');
  const log = dir.at('a.log');
  const entry = (name: string, description = '') => ({ name, paths: [log], topic, start: 'beginning', description });
  const apply = (entries: object[]) => writeFile(dir.at('entries.yaml'), JSON.stringify({ entries }));
  await apply([entry('one')]);
  const args = ['--entries', dir.at('entries.yaml'), '--kafka', kafka.join(','), '--state', dir.at('state')];
  await using agent = startProcess('agent/main.ts', args);
  const writer = startWriter(log);
  const applied = () => agent.stderr().split('applied the changed entries').length - 1;
  for (let reload = 1; reload <= RELOADS; reload++) {
    const before = await countRecords(kafka, topic);
    await eventually(async () => assert.ok((await countRecords(kafka, topic)) > before));
    await apply([entry('one', `reload ${reload}`)]);
    await eventually(() => assert.equal(applied(), reload));
  }
  await apply([entry('one'), entry('two')]);
  await eventually(() => assert.equal(applied(), RELOADS + 1));
  await writer.stop();
  await eventually(async () => assert.equal(await countRecords(kafka, topic), 2 * writer.lines));
  const records = await readTopic(kafka, topic);
  const content = await readFile(log);
  for (const name of ['one', 'two']) {
    const own = [...assemble(records.filter(({ headers }) => headers['logfleet.entry'] === name)).values()];
    assert.deepEqual(
      own.map(({ path, bytes }) => [path, bytes.equals(content)]),
      [[log, true]],
      name,
    );
  }
  await agent.kill('SIGTERM');
});
