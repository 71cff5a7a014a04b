import assert from 'node:assert/strict';
import { appendFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { rangeOf } from '../support/assemble.ts';
import { eventually } from '../support/eventually.ts';
import { runProcess, startProcess } from '../support/process.ts';
import { sharedKafka } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { countRecords, createTopic, type ReadRecord, readTopic } from '../support/topics.ts';

const TRACES = 20_000;
const trace = (index: number) => `2026-11-24 request ${index} failed\n  at one\n  at two ${'x'.repeat(index % 40)}\n`;
const wide = (index: number) => `Zeile ${index} ਕ一Ċ\r\n`;
const long = (index: number) => `${index} ${'é'.repeat(index % 3 === 0 ? 600 : 20)}\n`;

const line = (terminated: string) => terminated.replace(/\r?\n$/, '');

/** The records of one entry in the order of their ranges. */
function ofEntry(records: readonly ReadRecord[], entry: string) {
  const own = records.filter(({ headers }) => headers['logfleet.entry'] === entry);
  return own.map((record) => ({ ...record, ...rangeOf(record) })).sort((a, b) => a.start - b.start);
}

// Catalogue 48, 54, 56, 117: a multiline record, a character and a long line that a killed agent
// had begun are whole afterwards.
test('multiline, converted and truncated records arrive whole and once, and their ranges tile, across kills of the agent', async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka);
  await using dir = await tempDir('lines');
  const indices = Array.from({ length: TRACES }, (_, index) => index);
  await writeFile(dir.at('trace.log'), indices.map(trace).join(''));
  await writeFile(dir.at('wide.log'), Buffer.from(`\uFEFF${indices.map(wide).join('')}`, 'utf16le').swap16());
  await writeFile(dir.at('long.log'), indices.map(long).join(''));
  const entry = (name: string, more: object) => ({
    name,
    paths: [dir.at(`${name}.log`)],
    topic,
    start: 'beginning',
    ...more,
  });
  const entries = [
    entry('trace', { multiline: { start: '^\\d{4}-\\d{2}-\\d{2} ' } }),
    entry('wide', { encoding: 'utf-16', terminator: 'crlf' }),
    entry('long', { max_line_bytes: 1_024, over_long: 'truncate' }),
  ];
  await writeFile(dir.at('entries.yaml'), JSON.stringify({ entries }));
  const args = ['--entries', dir.at('entries.yaml'), '--kafka', kafka.join(','), '--state', dir.at('state')];
  for (let round = 0; round < 3; round++) {
    await using agent = startProcess('agent/main.ts', args);
    await eventually(async () => assert.ok((await countRecords(kafka, topic)) > round * 10_000));
    await agent.kill('SIGKILL');
  }
  await appendFile(dir.at('trace.log'), '2026-11-24 the last\n  at half');
  const { code, stderr } = await runProcess('agent/main.ts', [...args, '--once']);
  assert.equal(code, 0, stderr);
  const records = await readTopic(kafka, topic);
  const seen = new Map(entries.map(({ name }) => [name, ofEntry(records, name)]));
  for (const [name, own] of seen) {
    let at = 0;
    for (const { start, end } of own) {
      assert.equal(start, at, name);
      at = end;
    }
  }
  const values = (name: string) => seen.get(name)?.map(({ value }) => value.toString());
  assert.deepEqual(values('trace'), [...indices.map((index) => line(trace(index))), '2026-11-24 the last\n  at half']);
  assert.equal(seen.get('trace')?.at(-1)?.headers['logfleet.flags'], 'unterminated');
  assert.deepEqual(
    values('wide'),
    indices.map((index) => line(wide(index))),
  );
  const cut = (line: string) => {
    for (let end = line.length; ; end--) if (Buffer.byteLength(line.slice(0, end)) <= 1_024) return line.slice(0, end);
  };
  assert.deepEqual(
    values('long'),
    indices.map((index) => cut(line(long(index)))),
  );
  const truncated = seen.get('long')?.filter(({ headers }) => headers['logfleet.flags'] === 'truncated');
  assert.equal(truncated?.length, indices.filter((index) => index % 3 === 0).length);
});
