import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Fact } from '../../agent/model/fact.ts';
import { auditDocument } from '../../agent/produce/audit-record.ts';
import { runProcess } from '../support/process.ts';
import { sharedKafka } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { createTopic, readTopic } from '../support/topics.ts';

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'record.md'), 'utf8');

/** The example in the first block of this language, without a command line. */
function example(language: string): Record<string, unknown> {
  const [, block = ''] = new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(page) ?? [];
  return JSON.parse(block.replace(/^\$.*\n/, ''));
}

test('a record has the headers, the key and the range that docs/record.md shows', async () => {
  const shown = example('console');
  const pairs = shown['headers'] as string[];
  const headers = Object.fromEntries(
    Array.from({ length: pairs.length / 2 }, (_, at) => pairs.slice(2 * at, 2 * at + 2)),
  );
  const [start] = headers['logfleet.range'].split('-').map(Number);
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka);
  await using dir = await tempDir('contract');
  const path = dir.at('access.log');
  await writeFile(path, `${'x'.repeat(start - 1)}\n${shown['payload']}\n`);
  const entry = { name: headers['logfleet.entry'], paths: [path], topic, start: 'beginning' };
  await writeFile(dir.at('entries.yaml'), JSON.stringify({ entries: [entry] }));
  const own = ['--entries', dir.at('entries.yaml'), '--state', dir.at('state'), '--once'];
  const { code, stderr } = await runProcess('agent/main.ts', [...own, '--kafka', kafka.join(',')]);
  assert.equal(code, 0, stderr);
  const record = (await readTopic(kafka, topic))[1];
  assert.deepEqual(Object.keys(record?.headers ?? {}), Object.keys(headers));
  const { 'logfleet.generation': generation, ...others } = record?.headers ?? {};
  const { 'logfleet.generation': shownGeneration, ...shownOthers } = headers;
  assert.deepEqual(others, { ...shownOthers, 'host.name': hostname(), 'log.file.path': path });
  for (const id of [generation, shownGeneration]) assert.match(String(id), /^[0-9a-f]{16}$/);
  assert.deepEqual([record?.key, record?.value.toString()], [shown['key'], shown['payload']]);
});

test('a fact in the audit topic has the fields that docs/record.md shows', () => {
  const shown = example('json');
  const { time, agent, host } = shown as Record<string, string>;
  const fact = { ...shown, timeMs: Date.parse(String(time)) } as unknown as Fact;
  assert.deepEqual(JSON.parse(auditDocument(fact, { agent: String(agent), host: String(host) })), shown);
});
