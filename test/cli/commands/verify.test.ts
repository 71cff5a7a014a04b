import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import kafkajs from 'kafkajs';
import { runProcess } from '../../support/process.ts';
import { sharedKafka } from '../../support/servers.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { createTopic, newTopic, produce } from '../../support/topics.ts';
import { begun, type GivenRecord, given, loss, record, sealed, verify } from '../../support/verify-fixture.ts';

const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

test('lines of an agent are complete in every compression, and the exit code is 0', async () => {
  await using dir = await tempDir();
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka, 3);
  const entries = COMPRESSIONS.map((compression) => ({
    name: compression,
    paths: [dir.at(`${compression}-*.log`)],
    topic,
    compression,
  }));
  const lines = Array.from({ length: 5_000 }, (_, index) => `line ${index} ${'y'.repeat(index % 90)}\n`).join('');
  for (const compression of COMPRESSIONS)
    for (const name of ['a', 'b']) await writeFile(dir.at(`${compression}-${name}.log`), lines);
  await writeFile(dir.at('entries.yaml'), JSON.stringify({ entries }));
  const settings = ['--entries', dir.at('entries.yaml'), '--kafka', kafka.join(','), '--state', dir.at('state')];
  const agent = await runProcess('agent/main.ts', [...settings, '--once', '--audit-topic', await createTopic(kafka)]);
  assert.equal(agent.code, 0, agent.stderr);
  const { code, found, stderr } = await verify([topic], '-o', 'json', '--audit-topic', '');
  assert.equal(code, 0, stderr);
  assert.deepEqual(found.records, { read: 50_000, withoutHeaders: 0, replayed: 0, otherEntries: 0 });
  assert.deepEqual([found.fromTheBeginning, found.holes, found.doubles], [true, [], []]);
  assert.deepEqual(
    found.open.map(({ start, end }: GivenRecord) => [start, end]),
    Array(10).fill([0, lines.length]),
  );
  const one = await verify([topic], '-o', 'json', '--audit-topic', '', '--entry', 'zstd');
  assert.deepEqual([one.found.generations.seen, one.found.records.otherEntries], [2, 40_000]);
});

test('a hole, a double, an end that is missing and a file without a record are each named, and the exit code is 1', async () => {
  const records = [
    ...[record({ start: 0, end: 10 }), record({ start: 10, end: 20 }), record({ start: 30, end: 40 })],
    ...[record({ start: 0, end: 10, generation: 'g2' }), record({ start: 10, end: 25, generation: 'g2' })],
    ...[record({ start: 10, end: 25, generation: 'g2' }), record({ start: 25, end: 30, generation: 'g2' })],
    record({ start: 5, end: 9, generation: 'g3' }),
    record({ start: 7, end: 9, generation: 'g4' }),
  ];
  const facts = [
    begun('g4', 7),
    sealed('g1', 50),
    sealed('g3', 9),
    sealed('g5', 3),
    sealed('g6', 3, 0, 'elsewhere'),
    sealed('g7', 4, 4),
  ];
  const { topic, audit } = await given(records, facts);
  const { code, found, stderr } = await verify([topic], ...audit, '-o', 'json');
  assert.equal(code, 1);
  assert.match(stderr, /error: found 4 holes that no loss explains and 1 doubles\n$/);
  const path = (generation: string) => `/var/log/${generation}.log`;
  const hole = (generation: string, start: number, end: number, offset?: number) => ({
    ...{ generation, path: path(generation), start, end, bytes: end - start, loss: null },
    ...(offset !== undefined && { before: { topic, partition: 0, offset: String(offset) } }),
  });
  assert.deepEqual(found.holes, [hole('g1', 20, 30, 2), hole('g1', 40, 50), hole('g3', 0, 5, 7), hole('g5', 0, 3)]);
  const at = { topic, partition: 0, offset: '5' };
  assert.deepEqual(found.doubles, [{ generation: 'g2', path: path('g2'), start: 10, end: 25, bytes: 15, at }]);
  assert.deepEqual(
    found.open.map(({ generation, start, end }: { generation: string } & GivenRecord) => [generation, start, end]),
    [
      ['g2', 0, 30],
      ['g4', 7, 9],
    ],
  );
  const table = (await verify([topic], ...audit)).stdout;
  assert.match(table, new RegExp(`^HOLE +g1 +20-30 +10 +before ${topic} 0/2 +/var/log/g1.log$`, 'm'));
  assert.match(table, /^HOLE +g1 +40-50 +10 +at the file's end +\/var\/log\/g1.log$/m);
  assert.match(table, new RegExp(`^DOUBLE +g2 +10-25 +15 +${topic} 0/5 +/var/log/g2.log$`, 'm'));
  assert.match(table, /^open +g4 +7-9 +2 +not sealed yet/m);
  assert.match(table, /^4 holes \(28 B\), 1 doubles \(15 B\), 0 losses \(0 B\)$/m);
});

test('a hole that a loss explains is reported as lost; the unexplained part of a hole stays a hole', async () => {
  const records = [
    ...[record({ start: 0, end: 10 }), record({ start: 30, end: 40 })],
    ...[record({ start: 0, end: 10, generation: 'g2' }), record({ start: 30, end: 40, generation: 'g2' })],
    record({ start: 0, end: 10, generation: 'g3' }),
  ];
  const explained = [
    loss('g1', 10, 15),
    loss('g1', 15, 30),
    sealed('g1', 40),
    loss('g3', 10, 12, true),
    sealed('g3', 30),
  ];
  const good = await given([...records.slice(0, 2), ...records.slice(4)], explained);
  const first = await verify([good.topic], ...good.audit, '-o', 'json');
  assert.equal(first.code, 0, first.stdout);
  assert.deepEqual(
    first.found.losses.map(({ start, end, loss: reason }: GivenRecord & { loss: string }) => [start, end, reason]),
    [
      [10, 15, 'truncated'],
      [15, 30, 'truncated'],
      [10, 30, 'truncated'],
    ],
  );
  const bad = await given(records, [...explained, loss('g2', 12, 28), loss('g2', 12, 28)]);
  const second = await verify([bad.topic], ...bad.audit);
  assert.equal(second.code, 1);
  const rows = [...second.stdout.matchAll(/^(HOLE|lost: truncated) +g2 +(\S+)/gm)].map(([, what, range]) => [
    what,
    range,
  ]);
  assert.deepEqual(rows, [
    ['HOLE', '10-12'],
    ['lost: truncated', '12-28'],
    ['HOLE', '28-30'],
  ]);
});

test('replays are not doubles and fill holes; records without headers are counted', async () => {
  const records = [
    ...[record({ start: 0, end: 10 }), record({ start: 20, end: 30 }), record({ start: 0, end: 10, flags: 'replay' })],
    ...[record({ start: 10, end: 20, flags: 'split,replay' }), record({ start: 20, end: 30, flags: 'replay' })],
    { value: 'no headers' },
  ];
  const { topic, audit } = await given(records, [sealed('g1', 30)]);
  const { code, found, stdout } = await verify([topic], ...audit, '-o', 'json');
  assert.equal(code, 0, stdout);
  assert.deepEqual(found.records, { read: 6, withoutHeaders: 1, replayed: 3, otherEntries: 0 });
  assert.match((await verify([topic], ...audit)).stdout, /^1 records have no logfleet headers and can't be verified$/m);
});

test('a byte that one replay sends twice is a double; two replays of the same bytes are not', async () => {
  const records = [
    ...[record({ start: 0, end: 10 }), record({ start: 10, end: 20 }), record({ start: 0, end: 10, replay: 'r1' })],
    ...[record({ start: 10, end: 20, replay: 'r1' }), record({ start: 0, end: 10, replay: 'r2' })],
  ];
  const { kafka, topic, audit } = await given(records, [sealed('g1', 20)]);
  assert.equal((await verify([topic], ...audit)).code, 0);
  await produce(kafka, topic, [record({ start: 10, end: 20, replay: 'r1' })]);
  const { code, found } = await verify([topic], ...audit, '-o', 'json');
  assert.deepEqual([code, found.records.replayed, found.doubles.length], [1, 4, 1]);
  assert.deepEqual([found.doubles[0].start, found.doubles[0].end], [10, 20]);
});

test('a generation is verified across partitions and topics; one of its topics alone has a hole', async () => {
  const first = await given(
    [0, 1, 2, 3, 4, 5].map((at) => record({ start: at * 10, end: at * 10 + 10, partition: at % 3 })),
    [sealed('g1', 80)],
    3,
  );
  const second = await given([record({ start: 60, end: 80 })], []);
  const both = await verify([first.topic, second.topic], ...first.audit);
  assert.equal(both.code, 0, both.stdout);
  const alone = await verify([first.topic], ...first.audit, '-o', 'json');
  assert.deepEqual([alone.code, alone.found.holes[0].start, alone.found.holes[0].end], [1, 60, 80]);
});

test('a topic that is given twice is read once, and a warning says that nothing was verified', async () => {
  const { topic, audit } = await given([record({ start: 0, end: 10 })], []);
  const twice = await verify([topic, topic], ...audit, '-o', 'json', '--since', '99999999999d');
  assert.deepEqual([twice.code, twice.found.records.read, twice.stderr], [0, 1, '']);
  const misspelt = await verify([topic], ...audit, '--entry', 'none');
  assert.equal(misspelt.code, 0);
  assert.match(misspelt.stderr, /^warning: nothing was verified: .* has no record of entry none$/m);
});

test('with --since a file is verified from its first record since then; bytes that retention removed are not a hole', async () => {
  const hourAgo = Date.now() - 3_600_000;
  const records = [
    record({ start: 0, end: 10, timestamp: hourAgo - 1_000 }),
    record({ start: 12, end: 20, timestamp: hourAgo - 500 }),
    record({ start: 20, end: 30, timestamp: hourAgo + 600_000 }),
    record({ start: 30, end: 40, timestamp: hourAgo + 700_000 }),
  ];
  const { kafka, topic, audit } = await given(records, [sealed('g1', 40)]);
  assert.equal((await verify([topic], ...audit)).code, 1);
  for (const since of [new Date(hourAgo).toISOString(), '59m', '1h']) {
    const { code, found, stdout } = await verify([topic], ...audit, '-o', 'json', '--since', since);
    assert.deepEqual([code, found.records.read, found.fromTheBeginning], [0, 2, false], stdout);
  }
  assert.equal((await verify([topic], ...audit, '-o', 'json', '--since', '1s')).found.records.read, 0);
  const admin = new kafkajs.Kafka({ brokers: kafka, logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.fetchTopicMetadata({ topics: [topic] });
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '1' }] });
  await admin.disconnect();
  const { code, stdout } = await verify([topic], ...audit);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^3 records read of .*, not from the beginning/m);
});

test('a missing topic, an unreachable Kafka and an invalid option have errors of their own', async () => {
  const topic = newTopic();
  const missing = await verify([topic]);
  assert.deepEqual([missing.code, missing.stdout], [1, '']);
  assert.match(missing.stderr, new RegExp(`error: there is no topic ${topic}`));
  const { topic: good } = await given([record({ start: 0, end: 10 })], []);
  const unaudited = await verify([good], '--audit-topic', newTopic());
  assert.equal(unaudited.code, 0, unaudited.stderr);
  assert.match(
    unaudited.stderr,
    /warning: there is no topic .*: holes are reported without the losses that may explain them/,
  );
  assert.match(unaudited.stdout, /^no audit topic/m);
  const cases: [string[], number, RegExp][] = [
    [['--kafka', '127.0.0.1:1'], 3, /error: can't read topic .*: .*127\.0\.0\.1:1/],
    [['--kafka', 'nowhere'], 2, /--kafka: "nowhere" is not an address: give HOST:PORT/],
    [['--kafka', '127.0.0.1:1', '--since', 'yesterday'], 2, /--since: "yesterday" is not a time: give one such as/],
    [['--kafka', '127.0.0.1:1', '--kafka.tls.ca-file', '/x'], 2, /kafka\.tls: the settings of TLS are of no effect/],
    [['--kafka', '127.0.0.1:1', '--kafka.sasl.mechanism', 'none'], 2, /kafka\.sasl\.mechanism: Invalid option/],
    [[], 2, /required option '--kafka <host:port,...>' not specified/],
  ];
  for (const [args, code, expected] of cases) {
    const outcome = await runProcess('cli/main.ts', ['verify', '--topic', 't', ...args]);
    assert.equal(outcome.code, code, outcome.stderr);
    assert.match(outcome.stderr, expected);
  }
});
