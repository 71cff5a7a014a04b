import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { newPrefix, startController } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import { runProcess, startProcess } from '../support/process.ts';
import { sharedEtcd, sharedKafka } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { countRecords, createTopic, produce, readTopic } from '../support/topics.ts';

const EXAMPLE = 'examples/consumer/main.ts';
const LINES = 500;

/**
 * Lines of letters: the example's output is compared as text. Their lengths differ, one is empty.
 */
function lines(): string[] {
  return Array.from({ length: LINES }, (_, index) => `${index} ${randomBytes(index % 90).toString('hex')}`.slice(1));
}

test('the consumer example prints each line once in spite of replays and duplicates, and proves completeness', async () => {
  await using dir = await tempDir();
  const kafka = await sharedKafka();
  const topic = await createTopic(kafka, 3);
  await using controller = await startController(await sharedEtcd(), newPrefix());
  const files = { 'a.log': lines(), 'b.log': lines() };
  for (const [name, content] of Object.entries(files)) await writeFile(dir.at(name), `${content.join('\n')}\n`);
  await using agent = startProcess('agent/main.ts', [
    ...['--controller', controller.address, '--kafka', kafka.join(','), '--id', 'a', '--state', dir.at('state')],
  ]);
  const entry = { name: 'entries/app', paths: [dir.at('*.log')], topic, start: 'beginning', compression: 'zstd' };
  await controller.api.call('EntryService', 'CreateEntry', { entry });
  const delivered = (count: number) =>
    eventually(async () => assert.equal(await countRecords(kafka, topic), count, agent.stderr()));
  await delivered(2 * LINES);
  const rewind = ['--controller', controller.address, 'rewind', 'entry', 'app', '--to-beginning', '--replay-id', 'r'];
  const rewound = await runProcess('cli/main.ts', rewind);
  assert.equal(rewound.code, 0, rewound.stderr);
  await delivered(4 * LINES);
  const records = await readTopic(kafka, topic);
  const duplicates = records.filter(({ headers }) => headers['logfleet.replay'] === undefined).slice(0, 7);
  await produce(kafka, topic, duplicates);
  await produce(kafka, topic, [{ value: Buffer.from('from elsewhere'), headers: {} }]);

  const { code, stdout, stderr } = await runProcess(EXAMPLE, ['--kafka', kafka.join(','), '--topic', topic]);
  assert.equal(code, 0, stderr);
  const printed = stdout.split('\n').slice(0, -1);
  assert.deepEqual(printed.toSorted(), Object.values(files).flat().toSorted());
  for (const [name, content] of Object.entries(files)) {
    const bytes = Buffer.byteLength(`${content.join('\n')}\n`);
    assert.match(stderr, new RegExp(`:${dir.at(name)} generation=\\S+ bytes=0-${bytes} complete$`, 'm'));
  }
  assert.match(stderr, new RegExp(`^lines=${2 * LINES} duplicates=7 replays=${2 * LINES} foreign=1$`, 'm'));
});

test('the consumer example names each hole, and follows a topic until it is stopped', async () => {
  await using dir = await tempDir();
  const kafka = await sharedKafka();
  const [whole, holed] = [await createTopic(kafka), await createTopic(kafka)];
  await writeFile(dir.at('a.log'), 'one\ntwo\nthree\nfour\nfive\n');
  const entries = [{ name: 'a', paths: [dir.at('a.log')], topic: whole, start: 'beginning' }];
  await writeFile(dir.at('entries.yaml'), JSON.stringify({ entries }));
  const own = ['--entries', dir.at('entries.yaml'), '--state', dir.at('state'), '--once'];
  const collected = await runProcess('agent/main.ts', [...own, '--kafka', kafka.join(',')]);
  assert.equal(collected.code, 0, collected.stderr);
  const [one, , three, , five] = await readTopic(kafka, whole);
  await produce(
    kafka,
    holed,
    [five, one, three].filter((record) => record !== undefined),
  );

  const { code, stdout, stderr } = await runProcess(EXAMPLE, ['--kafka', kafka.join(','), '--topic', holed]);
  assert.deepEqual([code, stdout], [1, 'five\none\nthree\n'], stderr);
  assert.match(stderr, /bytes=0-24 HOLES 4-8 14-19$/m);

  await using following = startProcess(EXAMPLE, ['--kafka', kafka.join(','), '--topic', whole, '--follow']);
  await eventually(() => assert.equal(following.stdout(), 'one\ntwo\nthree\nfour\nfive\n', following.stderr()));
  await following.kill('SIGTERM');
  assert.equal((await following.exited).code, 0, following.stderr());
  assert.match(following.stderr(), /bytes=0-24 complete$/m);
});

test('the consumer example says what is wrong and what to do about it', async () => {
  const kafka = await sharedKafka();
  const cases: [string[], number, RegExp][] = [
    [['--topic', 'none-of-this-name', '--kafka', kafka.join(',')], 3, /^error: .*does the topic exist\?/m],
    [['--topic', 't', '--kafka', '127.0.0.1:1'], 3, /^error: .*127\.0\.0\.1:1.*Give --kafka HOST:PORT/m],
    [[], 2, /^Usage: /],
    [['--topc', 'x'], 2, /^error: Unknown option '--topc'/],
  ];
  for (const [args, expected, text] of cases) {
    const { code, stderr } = await runProcess(EXAMPLE, args);
    assert.match(stderr, text);
    assert.equal(code, expected);
  }
  assert.match((await runProcess(EXAMPLE, ['--help'])).stdout, /^Usage: /);
});
