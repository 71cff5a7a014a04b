import assert from 'node:assert/strict';
import { appendFile, rm, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { startAgent } from '../support/agents.ts';
import { rangeOf } from '../support/assemble.ts';
import { newPrefix, startController } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import { runProcess, startProcess } from '../support/process.ts';
import { sharedEtcd, sharedKafka } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { countRecords, createTopic, newTopic, readTopic } from '../support/topics.ts';

const LINES = 60_000;
/** More bytes in a row than one read takes, none of them in a record. */
const QUIET = { from: 20_000, to: 40_000 };

const LEVELS = ['ERROR', 'WARN', 'INFO', 'DEBUG'] as const;

function levelOf(index: number) {
  return index >= QUIET.from && index < QUIET.to ? 'DEBUG' : (LEVELS[((index * 7) % 11) % 4] as string);
}

const plain = (index: number) => `${levelOf(index)} request ${index} of é ${'x'.repeat(index % 90)}`;
const json = (index: number) =>
  index % 1_000 === 0
    ? `no object ${index}`
    : JSON.stringify({ message: 'no ERROR', log: { level: levelOf(index) }, index });
const trace = (index: number) => `${index} begins\n  ${levelOf(index)} within ${'y'.repeat(index % 60)}`;

/**
 * Each entry's records, and which of them the filter includes, stated without regular expressions.
 */
const cases = {
  plain: {
    value: plain,
    keeps: (index: number) => ['ERROR', 'WARN'].includes(levelOf(index)) && index % 10 !== 3,
    rules: { filter: { include: '^(?:ERROR|WARN) ', exclude: 'request \\d*3 ' } },
  },
  texts: {
    value: plain,
    keeps: (index: number) => ['ERROR', 'INFO'].includes(levelOf(index)),
    rules: { filter: { include: 'ERROR|INFO' } },
  },
  json: {
    value: json,
    keeps: (index: number) => index % 1_000 === 0 || levelOf(index) !== 'DEBUG',
    rules: { filter: { exclude: '^DEBUG$', json_field: 'log.level' } },
  },
  trace: {
    value: trace,
    keeps: (index: number) => levelOf(index) === 'ERROR',
    rules: { filter: { include: '\\n  ERROR' }, multiline: { continuation: '^ ' } },
  },
} as const;

/**
 * Each expected record with its range, which begins where the previous record ends and spans
 * excluded records.
 */
function expected({ value, keeps }: (typeof cases)[keyof typeof cases]) {
  const records: { value: string; start: number; end: number }[] = [];
  let start = 0;
  let at = 0;
  for (let index = 0; index < LINES; index++) {
    const text = value(index);
    at += Buffer.byteLength(text) + 1;
    if (!keeps(index)) continue;
    records.push({ value: text, start, end: at });
    start = at;
  }
  return records;
}

/** Only the first difference: to compare everything takes minutes. */
function assertSame(seen: readonly object[], wanted: readonly object[]): void {
  const at = wanted.findIndex((record, index) => !isDeepStrictEqual(record, seen[index]));
  if (at !== -1) assert.deepEqual(seen[at], wanted[at]);
  assert.equal(seen.length, wanted.length);
}

test('only records that the filter includes arrive, once each; their ranges tile, and verify proves it, across kills of the agent', async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka);
  const audit = await createTopic(kafka);
  await using dir = await tempDir('filter');
  const entries: object[] = [];
  const halves: [string, string][] = [];
  for (const [name, { value, rules }] of Object.entries(cases)) {
    const path = dir.at(`${name}.log`);
    const lines = Array.from({ length: LINES }, (_, index) => `${value(index)}\n`);
    await writeFile(path, lines.slice(0, LINES / 2).join(''));
    halves.push([path, lines.slice(LINES / 2).join('')]);
    entries.push({ name, paths: [path], topic, start: 'beginning', ...rules });
  }
  await writeFile(dir.at('entries.yaml'), JSON.stringify({ entries }));
  const own = ['--state', dir.at('state'), '--audit-topic', audit];
  const args = ['--entries', dir.at('entries.yaml'), '--kafka', kafka.join(','), ...own];
  const all = Object.values(cases).reduce((sum, own) => sum + expected(own).length, 0);
  for (const share of [0, 0.3, 0.5]) {
    await using agent = startProcess('agent/main.ts', args);
    await eventually(async () => assert.ok((await countRecords(kafka, topic)) > share * all));
    await agent.kill('SIGKILL');
    // The records excluded last lie in the range of the next record.
    if (share === 0.3) for (const [path, rest] of halves) await appendFile(path, rest);
  }
  await using _agent = startProcess('agent/main.ts', args);
  await eventually(async () => assert.ok((await countRecords(kafka, topic)) >= all));
  // A sealed fact follows the deletion. The last lines are in no record.
  for (const [path] of halves) await rm(path);
  await eventually(async () => assert.equal(await countRecords(kafka, audit), halves.length), { timeoutMs: 30_000 });
  const records = await readTopic(kafka, topic);
  for (const [name, own] of Object.entries(cases)) {
    const seen = records.filter(({ headers }) => headers['logfleet.entry'] === name);
    const placed = seen.map((record) => ({ value: String(record.value), ...rangeOf(record) }));
    assertSame(
      placed.sort((a, b) => a.start - b.start),
      expected(own),
    );
  }
  const verify = ['verify', '--topic', topic, '--kafka', kafka.join(','), '--audit-topic', audit];
  const verified = await runProcess('cli/main.ts', verify);
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  assert.match(verified.stdout, /4 generations: 4 sealed/);
  assert.match(verified.stdout, /0 losses/);
});

test('every service accepts a filter; the fleet counts what it excludes, which is no loss', async () => {
  const kafka = await sharedKafka();
  const etcd = await sharedEtcd();
  await using dir = await tempDir('filter');
  await using controller = await startController(etcd, newPrefix(), '--kafka', kafka.join(','));
  const { api, address } = controller;
  await using agent = startAgent({ id: 'web-1', controller: address, kafka, state: dir.at('state') });
  await agent.logged('connected to the controller');
  await writeFile(dir.at('a.log'), 'keep 1\nno 2\nno 3\nkeep 4\nno 5\n');
  const entry = { paths: [dir.at('a.log')], topic: newTopic(), start: 'beginning' };
  const refused = { ...entry, filter: { include: '(' } };
  await assert.rejects(api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: refused }), /filter\.include/);
  await api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: { ...entry, filter: { include: '^keep' } } });
  await eventually(async () => {
    const { entries, files } = await api.call('FleetService', 'GetAgent', { name: 'agents/web-1' });
    const [status] = entries;
    assert.deepEqual(
      [status?.filtered_lines, status?.losses, status?.lost_bytes, files[0]?.position],
      ['3', '0', '0', '29'],
    );
  });
  const describe = (...of: string[]) => runProcess('cli/main.ts', ['--controller', address, 'describe', ...of]);
  assert.match((await describe('agent', 'web-1')).stdout, /Entries:\n.* FILTERED .*\n.*app .* 3 /);
  const { stdout } = await describe('entry', 'app');
  assert.match(stdout, /Filter: +include \/\^keep\/\n/);
  assert.match(stdout, /Agents:\n.* FILTERED .*\n.*web-1 .* 3 /);
});
