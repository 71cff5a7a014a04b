import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { startProcess } from '../support/process.ts';
import { sharedKafka } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { countRecords, createTopic } from '../support/topics.ts';

const NOBODY = 65_534;

async function writeEntries(file: string, entries: object[]): Promise<void> {
  await writeFile(file, JSON.stringify({ entries }));
}

test('--once reports unreadable files, for which it fails, and globs without files', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root, to run the agent as somebody else');
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka);
  await using dir = await tempDir();
  await chown(dir.path, NOBODY, NOBODY);
  await writeFile(dir.at('open.log'), 'open\n');
  await writeFile(dir.at('secret.log'), 'secret\n');
  await chmod(dir.at('secret.log'), 0o600);
  await writeEntries(dir.at('entries.yaml'), [
    { name: 'here', paths: [dir.at('*.log')], topic },
    { name: 'nowhere', paths: [dir.at('*.txt')], topic },
  ]);
  const args = ['--entries', dir.at('entries.yaml'), '--kafka', kafka.join(','), '--state', dir.at('state'), '--once'];
  await using agent = startProcess('agent/main.ts', args, {}, NOBODY);
  assert.equal((await agent.exited).code, 1);
  assert.equal((await agent.logged('no file matches'))['entry'], 'entries/nowhere');
  assert.match(String((await agent.logged('a file could not be read'))['error']), /EACCES|permission denied/i);
  assert.match(agent.stderr(), /1 of 2 files could not be read/);
  assert.equal(await countRecords(kafka, topic), 1);
});

test('--once fails for a folder whose name is not UTF-8, which it names, and delivers all else', async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka);
  await using dir = await tempDir();
  await mkdir(Buffer.from(dir.at('logs/\xff'), 'latin1'), { recursive: true });
  await writeFile(Buffer.from(dir.at('logs/\xff/hidden.log'), 'latin1'), 'hidden\n');
  await writeFile(dir.at('logs', 'a.log'), 'one\n');
  await writeEntries(dir.at('entries.yaml'), [{ name: 'a', paths: [dir.at('logs', '**', '*.log')], topic }]);
  const args = ['--entries', dir.at('entries.yaml'), '--kafka', kafka.join(','), '--state', dir.at('state'), '--once'];
  await using agent = startProcess('agent/main.ts', args);
  assert.equal((await agent.exited).code, 1);
  const { path, error } = await agent.logged('a file could not be read');
  assert.deepEqual([path, error], [dir.at('logs', '\\xff'), 'the folder name is not UTF-8: rename the folder']);
  assert.doesNotMatch(agent.stderr(), /all lines are acknowledged/);
  assert.equal(await countRecords(kafka, topic), 1);
});

// opentelemetry-collector-contrib#50258.
test('--once fails when an entry has more folders than a scan may search, says so, and delivers what it found', async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka);
  await using dir = await tempDir();
  for (let folder = 0; folder < 20_010; folder++) mkdirSync(dir.at('logs', `${100_000 + folder}`), { recursive: true });
  await writeFile(dir.at('logs', '100000', 'a.log'), 'one\n');
  await writeFile(dir.at('logs', '120009', 'b.log'), 'beyond\n');
  await writeEntries(dir.at('entries.yaml'), [{ name: 'a', paths: [dir.at('logs', '**', '*.log')], topic }]);
  const args = ['--entries', dir.at('entries.yaml'), '--kafka', kafka.join(','), '--state', dir.at('state'), '--once'];
  await using agent = startProcess('agent/main.ts', args);
  assert.equal((await agent.exited).code, 1);
  assert.match(
    String((await agent.logged('not all files are found'))['error']),
    /limit of 20,000 folders.*narrow "paths"/,
  );
  assert.equal(await countRecords(kafka, topic), 1);
});
