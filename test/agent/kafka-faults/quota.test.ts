import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { cached } from '../../../stack/cache.ts';
import { assemble } from '../../support/assemble.ts';
import { eventually } from '../../support/eventually.ts';
import { startProcess } from '../../support/process.ts';
import { sharedKafka } from '../../support/servers.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { countRecords, createTopic, readTopic } from '../../support/topics.ts';

const LINES = 3_000;

// platformatic ignores throttleTimeMs (catalogue 96).
test('a quota slows the agent down, is no failure, and each line arrives once', async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka);
  await using dir = await tempDir();
  const libs = await cached('kafka-4.1.1', () => Promise.reject(new Error('Kafka runs, so its jars are there')));
  const about = ['--entity-type', 'clients', '--entity-name', 'logfleet-agent-throttled'];
  const quota = ['--alter', '--add-config', 'producer_byte_rate=100000', ...about];
  const command = ['-cp', join(libs, 'libs', '*'), 'kafka.admin.ConfigCommand', '--bootstrap-server', ...kafka];
  await promisify(execFile)('java', [...command, ...quota]);
  const content = Array.from({ length: LINES }, () => `${randomBytes(300).toString('base64')}\n`).join('');
  await writeFile(dir.at('a.log'), content);
  const entries = [{ name: 'a', paths: [dir.at('a.log')], topic, start: 'beginning' }];
  await writeFile(dir.at('entries.yaml'), JSON.stringify({ entries }));
  const args = ['--entries', dir.at('entries.yaml'), '--kafka', kafka.join(','), '--state', dir.at('state')];
  await using agent = startProcess('agent/main.ts', [...args, '--id', 'throttled']);
  await eventually(async () => assert.equal(await countRecords(kafka, topic), LINES, agent.stderr()), {
    timeoutMs: 40_000,
  });
  const [only] = [...assemble(await readTopic(kafka, topic)).values()];
  assert.equal(only?.bytes.toString(), content);
  assert.doesNotMatch(agent.stderr(), /"message":"delivery is held up"|does not respond/);
});
