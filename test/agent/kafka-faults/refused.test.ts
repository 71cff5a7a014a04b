import assert from 'node:assert/strict';
import { appendFile, writeFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { Agent } from '../../../agent/agent.ts';
import { agentConfigSpec } from '../../../agent/config/agent-config.ts';
import { stateFile } from '../../../agent/state/state-database.ts';
import { systemClock } from '../../../runtime/clock.ts';
import { loadConfig } from '../../../runtime/config.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { startBehindProxy } from '../../support/behind-proxy.ts';
import { eventually } from '../../support/eventually.ts';
import { startWriter } from '../../support/line-writer.ts';
import { startProcess, type TestProcess } from '../../support/process.ts';
import { sharedKafka } from '../../support/servers.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';
import { alterTopic, countRecords, createTopic, readTopic } from '../../support/topics.ts';

const PATIENCE = { timeoutMs: 40_000 };
const HOUR_MS = 3_600_000;
const LINES = 3_000;

/** Refuses records without a key: INVALID_RECORD. */
const compacted = { configEntries: [{ name: 'cleanup.policy', value: 'compact' }] };
const HELD_UP = 'delivery is held up';

/** `first` differs, so that no record of one file is taken for one of another. */
function content(first = 'first'): string {
  return [first, ...Array.from({ length: LINES - 1 }, (_, index) => `line ${index}`)]
    .map((line) => `${line}\n`)
    .join('');
}

async function writeEntries(dir: TempDir, ...entries: object[]): Promise<void> {
  await writeFile(dir.at('entries.yaml'), JSON.stringify({ entries }));
}

function entryOf(dir: TempDir, topic: string, more: object = {}) {
  return { name: 'a', paths: [dir.at('*.log')], topic, start: 'beginning', ...more };
}

function agentArgs(dir: TempDir, kafka: readonly string[], ...more: string[]): string[] {
  const args = ['--entries', dir.at('entries.yaml'), '--kafka', kafka.join(','), '--state', dir.at('state')];
  return [...args, '--audit-topic', '', '--scan-interval', '500ms', ...more];
}

function startAgent(dir: TempDir, kafka: readonly string[], ...more: string[]): TestProcess {
  return startProcess('agent/main.ts', agentArgs(dir, kafka, ...more));
}

/** Waits until the topic has these lines, each once and in their order. */
async function arrives(kafka: readonly string[], topic: string, lines: string, agent?: TestProcess): Promise<void> {
  const expected = lines.split('\n').length - 1;
  await eventually(async () => assert.equal(await countRecords(kafka, topic), expected, agent?.stderr()), PATIENCE);
  const values = (await readTopic(kafka, topic)).map(({ value }) => `${value}\n`);
  assert.equal(values.join(''), lines);
}

function openIntents(dir: TempDir): number {
  const db = new DatabaseSync(stateFile(dir.at('state')), { readOnly: true });
  try {
    return Number(db.prepare('SELECT count(*) AS count FROM intent').get()?.['count']);
  } finally {
    db.close();
  }
}

// elastic/docs-content #2587: Kafka 4 refuses timestamps that are an hour ahead.
test('lines that were read while the clock was two hours ahead arrive once it is right, with the right time', async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka);
  await using dir = await tempDir();
  await writeFile(dir.at('a.log'), content());
  await writeEntries(dir, entryOf(dir, topic));
  const config = loadConfig(agentConfigSpec, agentArgs(dir, kafka), {});
  assert.ok(config.kind === 'run');
  let aheadMs = 2 * HOUR_MS;
  const clock = { ...systemClock, nowMs: () => Date.now() + aheadMs };
  const logged: string[] = [];
  const logger = createLogger({ level: 'info', format: 'json', write: (line) => logged.push(line) });
  const stop = new AbortController();
  const running = new Agent(config.config, { clock, logger }).run(stop.signal);
  try {
    await eventually(() => assert.match(logged.join(''), /delivery is held up.*INVALID_TIMESTAMP.*the host's clock/));
    assert.equal(await countRecords(kafka, topic), 0);
    aheadMs = 0;
    await arrives(kafka, topic, content());
    assert.match(logged.join(''), /delivery has resumed/);
    for (const { timestampMs } of await readTopic(kafka, topic)) assert.ok(timestampMs < Date.now() + HOUR_MS);
  } finally {
    stop.abort();
    await running;
  }
});

test('lines that an outage has made too old for the topic arrive once, with a new timestamp', async () => {
  await using on = await startBehindProxy();
  const topic = await createTopic(on.direct, 1, {
    configEntries: [{ name: 'message.timestamp.before.max.ms', value: '4000' }],
  });
  await writeFile(on.dir.at('aged.log'), 'before\n');
  await using agent = await on.startAgent('aged', topic);
  await on.isWhole(topic, 'before\n', 1, agent);
  on.proxy.setMode('cut');
  await appendFile(on.dir.at('aged.log'), content());
  await agent.logged(HELD_UP, PATIENCE);
  // The batch is older than the topic permits when the broker can be reached again.
  const heldUpMs = Date.now();
  await eventually(() => assert.ok(Date.now() > heldUpMs + 5_000));
  on.proxy.setMode('pass');
  await on.isWhole(topic, `before\n${content()}`, LINES + 1, agent);
});

// KIP-937, smallrye #2270.
test('lines that a compacted topic refuses arrive once and in order when the topic is corrected', async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka, 1, compacted);
  await using dir = await tempDir();
  await writeFile(dir.at('a.log'), content());
  await writeEntries(dir, entryOf(dir, topic));
  await using agent = startAgent(dir, kafka);
  const { error } = await agent.logged(HELD_UP, PATIENCE);
  assert.match(String(error), /INVALID_RECORD.*cleanup\.policy must be delete/);
  await appendFile(dir.at('a.log'), 'more\n');
  await alterTopic(kafka, topic, { 'cleanup.policy': 'delete' });
  await arrives(kafka, topic, `${content()}more\n`, agent);
  await agent.logged('delivery has resumed', PATIENCE);
});

test('a topic that refuses batches amid a stream of them gets each line once, also across a kill -9', async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka);
  await using dir = await tempDir();
  const writer = startWriter(dir.at('a.log'));
  await writeEntries(dir, entryOf(dir, topic));
  for (let kills = 0; kills < 2; kills++) {
    await using agent = startAgent(dir, kafka);
    const from = await countRecords(kafka, topic);
    await eventually(async () => assert.ok((await countRecords(kafka, topic)) > from + 200), PATIENCE);
    await alterTopic(kafka, topic, { 'cleanup.policy': 'compact' });
    await agent.logged(HELD_UP, PATIENCE);
    await agent.kill('SIGKILL');
    await alterTopic(kafka, topic, { 'cleanup.policy': 'delete' });
  }
  await writer.stop();
  await using agent = startAgent(dir, kafka);
  await arrives(kafka, topic, writer.bytes.toString(), agent);
});

test('refused lines go to the new topic of their entry, by its new rules, each once', async () => {
  const kafka = await sharedKafka();
  const [refusing, topic] = [await createTopic(kafka, 1, compacted), await createTopic(kafka)];
  await using dir = await tempDir();
  await writeFile(dir.at('a.log'), content());
  await writeEntries(dir, entryOf(dir, refusing));
  await using agent = startAgent(dir, kafka);
  await agent.logged(HELD_UP, PATIENCE);
  await writeEntries(dir, entryOf(dir, topic, { filter: { exclude: '^line [0-9]$' } }));
  const kept = content().replace(/^line [0-9]\n/gm, '');
  await arrives(kafka, topic, kept, agent);
  await alterTopic(kafka, refusing, { 'cleanup.policy': 'delete' });
  await appendFile(dir.at('a.log'), 'last\n');
  await arrives(kafka, topic, `${kept}last\n`, agent);
  await agent.kill('SIGTERM');
  assert.equal(await countRecords(kafka, refusing), 0);
});

test('the refused lines of a deleted entry are dropped with their intents, and the agent stops at once', async () => {
  const kafka = await sharedKafka();
  const [refusing, topic] = [await createTopic(kafka, 1, compacted), await createTopic(kafka)];
  await using dir = await tempDir();
  await writeFile(dir.at('a.log'), content());
  await writeFile(dir.at('b.txt'), 'b\n');
  const kept = { name: 'b', paths: [dir.at('*.txt')], topic, start: 'beginning' };
  await writeEntries(dir, entryOf(dir, refusing), kept);
  await using agent = startAgent(dir, kafka, '--drain-timeout', '10m');
  await agent.logged(HELD_UP, PATIENCE);
  await writeEntries(dir, kept);
  await agent.logged('applied the changed entries', PATIENCE);
  await alterTopic(kafka, refusing, { 'cleanup.policy': 'delete' });
  await appendFile(dir.at('b.txt'), 'c\n');
  await arrives(kafka, topic, 'b\nc\n', agent);
  await agent.kill('SIGTERM');
  assert.deepEqual([openIntents(dir), await countRecords(kafka, refusing)], [0, 0]);
});

test('the process after a kill -9 sends refused lines to the new topic, and drops those of a deleted entry', async () => {
  const kafka = await sharedKafka();
  const [refusing, topic] = [await createTopic(kafka, 1, compacted), await createTopic(kafka)];
  await using dir = await tempDir();
  await writeFile(dir.at('a.log'), content());
  await writeFile(dir.at('b.txt'), content('other'));
  await writeEntries(dir, entryOf(dir, refusing), { ...entryOf(dir, refusing), name: 'b', paths: [dir.at('*.txt')] });
  for (let kills = 0; kills < 3; kills++) {
    await using killed = startAgent(dir, kafka);
    await killed.logged(HELD_UP, PATIENCE);
    await killed.kill('SIGKILL');
  }
  await writeEntries(dir, entryOf(dir, topic));
  await using agent = startAgent(dir, kafka);
  await arrives(kafka, topic, content(), agent);
  await agent.kill('SIGTERM');
  assert.deepEqual([openIntents(dir), await countRecords(kafka, refusing)], [0, 0]);
});

test('a refusal that gives another reason is logged again', async () => {
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka, 1, compacted);
  await using dir = await tempDir();
  await writeFile(dir.at('a.log'), content());
  await writeEntries(dir, entryOf(dir, topic));
  await using agent = startAgent(dir, kafka);
  await agent.logged(HELD_UP, PATIENCE);
  const reasons = () => {
    const lines = agent.stderr().split('\n');
    return lines.filter((line) => line.includes(HELD_UP)).map((line) => /Kafka returned (\w+)/.exec(line)?.[1]);
  };
  assert.deepEqual(reasons(), ['INVALID_RECORD']);
  // Kafka checks a record's key before its timestamp.
  await alterTopic(kafka, topic, { 'cleanup.policy': 'delete', 'message.timestamp.before.max.ms': '0' });
  await eventually(() => assert.deepEqual(reasons(), ['INVALID_RECORD', 'INVALID_TIMESTAMP']), PATIENCE);
});

test('--once delivers the other entries, and fails with the reason when Kafka refuses the lines of one', async () => {
  const kafka = await sharedKafka();
  const [refusing, topic] = [await createTopic(kafka, 1, compacted), await createTopic(kafka)];
  await using dir = await tempDir();
  await writeFile(dir.at('a.log'), content());
  await writeFile(dir.at('b.txt'), 'b\n');
  await writeEntries(dir, entryOf(dir, refusing), { name: 'b', paths: [dir.at('*.txt')], topic });
  await using agent = startAgent(dir, kafka, '--once');
  assert.equal((await agent.exited).code, 1);
  assert.match(
    agent.stderr(),
    /stopped by an error.*entries\/a: Kafka returned INVALID_RECORD \(87\).*cleanup\.policy/,
  );
  assert.doesNotMatch(agent.stderr(), /all lines are acknowledged/);
  await arrives(kafka, topic, 'b\n', agent);
  await alterTopic(kafka, refusing, { 'cleanup.policy': 'delete' });
  await using again = startAgent(dir, kafka, '--once');
  assert.equal((await again.exited).code, 0);
  await arrives(kafka, refusing, content(), again);
});
