import assert from 'node:assert/strict';
import { appendFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { assemble, rangeOf } from '../support/assemble.ts';
import { eventually } from '../support/eventually.ts';
import {
  agentOf,
  agentStatus,
  createFleet,
  type FleetFixture,
  waitUntilAcknowledged,
  waitUntilDelivered,
} from '../support/fleet-fixture.ts';
import { startWriter } from '../support/line-writer.ts';
import { runProcess } from '../support/process.ts';
import { countRecords, createTopic, newTopic, type ReadRecord, readTopic } from '../support/topics.ts';

const cli = ({ controller }: Pick<FleetFixture, 'controller'>, ...args: string[]) =>
  runProcess('cli/main.ts', ['--controller', controller.address, ...args]);

async function entryOf(on: FleetFixture, rules: object, id = 'rewound') {
  const entry = await on.controller.api.call('EntryService', 'CreateEntry', {
    entry_id: id,
    entry: { paths: [on.dir.at('*.log')], start: 'beginning', ...rules },
  });
  await waitUntilAcknowledged(on, 'web-1', entry);
}

const replayOf = ({ headers }: ReadRecord) => headers['logfleet.replay'];

/** The records of one replay, or those of no replay, in the order of their offsets. */
function of(records: readonly ReadRecord[], replay: string | undefined): ReadRecord[] {
  return records.filter((record) => replayOf(record) === replay);
}

const linesOf = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `line ${from + index}\n`).join('');

/**
 * Asserts that bytes `[start, end)` are there in the file's order, each record after the previous
 * one.
 */
function assertBytes(records: readonly ReadRecord[], content: string, start: number, end: number): void {
  let at = start;
  for (const record of records) {
    const range = rangeOf(record);
    assert.equal(range.start, at);
    assert.equal(`${record.value}\n`, content.slice(range.start, range.end));
    at = range.end;
  }
  assert.equal(at, end);
}

test('a rewind to the beginning sends lines again, marked and in order; new lines arrive once and unmarked, and verify counts no duplicates', async () => {
  await using on = await createFleet();
  const { dir, kafka } = on;
  await using agent = agentOf(on, 'web-1');
  await agent.logged('connected to the controller');
  const topic = newTopic();
  const [first, second] = [linesOf(0, 5_000), linesOf(5_000, 6_000)];
  await writeFile(dir.at('a.log'), first);
  await entryOf(on, { topic });
  await waitUntilDelivered(on, topic, 5_000);
  await eventually(async () => assert.equal((await agentStatus(on, 'web-1')).files[0]?.position, String(first.length)));
  const dry = await cli(on, 'rewind', 'entry', 'rewound', '--to-beginning', '--dry-run');
  assert.match(
    dry.stdout,
    /^entry\/rewound rewound on web-1: 1 generation, .* \(dry run\)\n {2}.*a\.log [0-9a-f]{16} from 0 to 48890\n$/,
    dry.stderr,
  );
  await appendFile(dir.at('a.log'), second);
  const ask = ['rewind', 'entry', 'rewound', '--to-beginning', '--replay-id', 'again-1', '--reason', 'a test'];
  const { code, stdout, stderr } = await cli(on, ...ask);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /as replay again-1\n/);
  // A repeated request is handled once.
  const repeated = await cli(on, ...ask);
  assert.match(repeated.stdout, /already as replay again-1\n/);
  const logged = await agent.logged('a rewind began');
  assert.deepEqual([logged['replay'], logged['reason'], logged['generations']], ['again-1', 'a test', 1]);
  const written = await on.controller.process.logged('replay requested');
  assert.match(JSON.stringify(written), /"dryRun":true,"author":"[^"]+@[^"]+","authenticated":false/);
  const until = Number(/ from 0 to (\d+)/.exec(stdout)?.[1]);
  const content = first + second;
  const lines = content.slice(0, until).split('\n').length - 1;
  await waitUntilDelivered(on, topic, 6_000 + lines);
  const records = await readTopic(kafka, topic);
  assertBytes(of(records, undefined), content, 0, content.length);
  assertBytes(of(records, 'again-1'), content, 0, until);
  assert.ok(of(records, 'again-1').every(({ headers }) => headers['logfleet.flags'] === 'replay'));
  const verified = await runProcess('cli/main.ts', ['verify', '--topic', topic, '--kafka', kafka.join(',')]);
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  assert.match(verified.stdout, new RegExp(`${lines.toLocaleString('en')} records are replays`));
  await eventually(async () => assert.equal((await agentStatus(on, 'web-1')).files[0]?.replay_id, ''));
});

test('whenever the agent is killed, each replay and each first-time line arrives exactly once', async () => {
  await using on = await createFleet();
  const { dir, kafka } = on;
  const topic = await createTopic(kafka);
  const writer = startWriter(dir.at('a.log'));
  const big = linesOf(0, 60_000);
  await writeFile(dir.at('big.log'), big);
  let agent = agentOf(on, 'web-1');
  try {
    await agent.logged('connected to the controller');
    await entryOf(on, { topic });
    for (let kill = 0; kill < 6; kill++) {
      const before = await countRecords(kafka, topic);
      const asked = cli(on, 'rewind', 'entry', 'rewound', '--to-beginning', '--replay-id', `kill-${kill}`);
      // Sometimes in the middle of the request itself.
      if (kill % 3 !== 2) assert.equal((await asked).code, 0);
      await eventually(async () => assert.ok((await countRecords(kafka, topic)) >= before + kill * 5_000));
      await agent.kill('SIGKILL');
      await asked;
      agent = agentOf(on, 'web-1');
      await agent.logged('connected to the controller');
      await eventually(async () => {
        const again = await cli(on, 'rewind', 'entry', 'rewound', '--to-beginning', '--replay-id', `kill-${kill}`);
        assert.equal(again.code, 0, again.stderr);
      });
    }
    await writer.stop();
    await eventually(
      async () => {
        const { files } = await agentStatus(on, 'web-1');
        assert.deepEqual(
          files.map((file: { replay_id: string; lag_bytes: string }) => [file.replay_id, file.lag_bytes]),
          [
            ['', '0'],
            ['', '0'],
          ],
        );
      },
      { timeoutMs: 60_000 },
    );
    const records = await readTopic(kafka, topic);
    const contents = { [dir.at('a.log')]: writer.bytes, [dir.at('big.log')]: Buffer.from(big) };
    const files = [...assemble(of(records, undefined)).values()];
    for (const { path, bytes } of files) assert.ok(bytes.equals(contents[path] as Buffer), path);
    assert.equal(files.length, 2);
    for (let kill = 0; kill < 6; kill++) {
      const own = of(records, `kill-${kill}`);
      const again = [...assemble(own).values()];
      assert.ok(again.length > 0, `replay ${kill} is not there`);
      for (const { path, bytes } of again) {
        assert.ok(bytes.equals((contents[path] as Buffer).subarray(0, bytes.length)), path);
        assertInOrder(own.filter(({ headers }) => headers['log.file.path'] === path));
      }
    }
    const verified = await runProcess('cli/main.ts', ['verify', '--topic', topic, '--kafka', kafka.join(',')]);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  } finally {
    await writer.stop();
    await agent.kill('SIGKILL');
  }
});

function assertInOrder(records: readonly ReadRecord[]): void {
  let at = 0;
  for (const record of records) {
    const range = rangeOf(record);
    assert.equal(range.start, at);
    at = range.end;
  }
}

test('a rewind accepts a time and a position within a line; it refuses an unacknowledged position and unmarkable records', async () => {
  await using on = await createFleet();
  const { dir, kafka } = on;
  const topic = newTopic();
  await using agent = agentOf(on, 'web-1');
  await agent.logged('connected to the controller');
  await writeFile(dir.at('a.log'), linesOf(0, 10));
  await entryOf(on, { topic });
  await waitUntilDelivered(on, topic, 10);
  const [file] = (await agentStatus(on, 'web-1')).files;
  const generation = ['--generation', file.generation];
  const middle = await cli(
    on,
    'rewind',
    'entry',
    'rewound',
    '--to-position',
    '24',
    ...generation,
    '--replay-id',
    'middle',
  );
  assert.match(middle.stdout, /from 21 to 70\n/, middle.stderr);
  await waitUntilDelivered(on, topic, 17);
  const beyond = await cli(on, 'rewind', 'entry', 'rewound', '--to-position', '71', ...generation);
  assert.deepEqual([beyond.code, beyond.stdout.split('\n')[0]?.includes(': 0 generations')], [1, true]);
  assert.match(beyond.stderr, /position 71 is beyond the acknowledged position 70/);
  // Nothing had been read an hour ago, and nothing was read in the last moment.
  const hour = await cli(on, 'rewind', 'entry', 'rewound', '--since', '1h', '--replay-id', 'hour');
  assert.match(hour.stdout, /from 0 to 70\n/, hour.stderr);
  await waitUntilDelivered(on, topic, 27);
  const future = new Date(Date.now() + 60_000).toISOString();
  const late = await cli(on, 'rewind', 'entry', 'rewound', '--to-time', future);
  assert.equal(late.code, 1, late.stdout);
  assert.match(late.stderr, /target\.time: .* is in the future/);
  const nobody = await cli(on, 'rewind', 'entry', 'rewound', '--to-beginning', '--agent', 'nobody');
  assert.deepEqual([nobody.code, nobody.stderr], [1, 'error: there is no agents/nobody\n']);
  const selected = await cli(on, 'rewind', 'entry', 'rewound', '--to-beginning', '-l', 'env=prod', '--agent', 'web-1');
  assert.match(selected.stderr, /^warning: no agent matches/);
  const both = await cli(on, 'rewind', 'entry', 'rewound', '--to-beginning', '--since', '1h');
  assert.deepEqual([both.code, both.stdout], [2, '']);
  const other = await cli(on, 'rewind', 'entry', 'rewound', '--to-beginning', '--path', dir.at('b*.log'));
  assert.match(other.stdout, /: 0 generations/, other.stderr);
  const records = await readTopic(kafka, topic);
  assertBytes(of(records, undefined), linesOf(0, 10), 0, 70);
  assertBytes(of(records, 'middle'), linesOf(0, 10), 21, 70);
  assertBytes(of(records, 'hour'), linesOf(0, 10), 0, 70);
  await cli(on, 'delete', 'entry', 'rewound');
  await entryOf(on, { topic, headers: 'none' }, 'lean');
  await waitUntilDelivered(on, topic, 37);
  const refused = await cli(on, 'rewind', 'entry', 'lean', '--to-beginning');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /allow_unmarked: .*headers: none/);
  const allowed = await cli(on, 'rewind', 'entry', 'lean', '--to-beginning', '--allow-unmarked');
  assert.match(allowed.stdout, /: 1 generation/, allowed.stderr);
  await waitUntilDelivered(on, topic, 47);
});
