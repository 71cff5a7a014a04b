import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { type Asking, readStream } from '../support/ask-streams.ts';
import { rangeOf } from '../support/assemble.ts';
import { startController } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import { agentOf, createFleet, waitUntilAcknowledged, waitUntilDelivered } from '../support/fleet-fixture.ts';
import { startWriter } from '../support/line-writer.ts';
import { startProcess } from '../support/process.ts';
import { countRecords, newTopic, readTopic } from '../support/topics.ts';

const main = join(import.meta.dirname, '..', '..', 'cli', 'main.ts');

test("a tap at any controller shows the selected agents' records as they are collected, and ends at ctrl-C", async () => {
  await using on = await createFleet();
  const { dir, kafka, controller } = on;
  await using other = await startController(on.etcd, on.prefix);
  await using _web = agentOf(on, 'web-1', { labels: { env: 'prod' } });
  await using _db = agentOf(on, 'db-1', { labels: { env: 'stage' } });
  const topic = newTopic();
  const rules = { paths: [dir.at('*.log')], topic, start: 'beginning', filter: { include: '[02468] x' } };
  const entry = await controller.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: rules });
  await waitUntilAcknowledged(on, 'web-1', entry);
  await waitUntilAcknowledged(on, 'db-1', entry);
  const args = ['--controller', other.address, 'tap', 'entry', 'app', '-l', 'env=prod'];
  await using json = startProcess('cli/main.ts', [...args, '-o', 'json', '--rate', '500']);
  await using plain = startProcess('cli/main.ts', args);
  const writer = startWriter(dir.at('a.log'));
  const shown = () =>
    json
      .stdout()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  await eventually(() => assert.ok(shown().length > 200, json.stderr()));
  await eventually(() =>
    assert.match(plain.stdout(), new RegExp(`^web-1 ${dir.at('a.log')} line \\d*[02468] x*$`, 'm')),
  );
  // Ending the command early is no failure.
  const piped = `"$0" "$@" --no-prefix | head -n 3; test "\${PIPESTATUS[0]}" = 0`;
  const { stdout } = await promisify(execFile)('bash', ['-c', piped, process.execPath, main, ...args]);
  assert.match(stdout, /^(line \d*[02468] x*\n){3}$/);
  await writer.stop();
  for (const tap of [json, plain]) {
    await tap.kill('SIGINT');
    assert.equal((await tap.exited).code, 0, tap.stderr());
    assert.match(tap.stderr(), /^[\d,]+ lines shown, [\d,]+ skipped, 0 dropped\n$/);
  }
  const known = new Map<string, string>();
  await eventually(async () => {
    for (const record of await readTopic(kafka, topic)) {
      const { start, end } = rangeOf(record);
      known.set(`${record.headers['logfleet.generation']} ${start}-${end}`, String(record.value));
    }
    for (const { agent, path, generation, start, end, line } of shown()) {
      assert.deepEqual([agent, path], ['agents/web-1', dir.at('a.log')]);
      assert.equal(known.get(`${generation} ${start}-${end}`), line);
    }
  });
});

test('a tap that is not read does not disturb delivery, and its counts cover each record: shown, left out or dropped', async () => {
  await using on = await createFleet();
  const { dir, kafka, controller } = on;
  await using other = await startController(on.etcd, on.prefix);
  await using _agent = agentOf(on, 'web-1');
  const topic = newTopic();
  const rules = { paths: [dir.at('*.log')], topic, start: 'beginning' };
  const entry = await controller.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: rules });
  await waitUntilAcknowledged(on, 'web-1', entry);
  const request = { name: 'entries/app', lines_per_second: 1_000 };
  const stalled = other.api.stream('FleetService', 'TapEntry', request);
  const quick = readStream(controller.api.stream('FleetService', 'TapEntry', request));
  const [first] = (await eventually(() => {
    assert.ok(quick.messages.length >= 2);
    return quick.messages;
  })) as [Asking];
  assert.deepEqual([first.asked?.matching, first.asked?.asked], [1, 1]);
  // The command has also noticed the agent that stalls.
  const reading = stalled[Symbol.asyncIterator]();
  for (let heard = 0; heard < 2; heard++) await reading.next();
  const written: string[] = [];
  // Longer than all buffers on the way can hold.
  while (written.length < 16_000) {
    const lines = Array.from({ length: 200 }, (_, index) => `${written.length + index} ${'y'.repeat(1_500)}`);
    written.push(...lines);
    await appendFile(dir.at('a.log'), `${lines.join('\n')}\n`);
    await eventually(async () => assert.ok((await countRecords(kafka, topic)) > written.length - 400));
  }
  await waitUntilDelivered(on, topic, written.length);
  const values = (await readTopic(kafka, topic)).map(({ value }) => String(value));
  assert.deepEqual(values, written);
  const counted = { shown: 0, leftOut: 0, dropped: 0 };
  for (let total = 0; total < written.length; total = counted.shown + counted.leftOut + counted.dropped) {
    const { part } = (await reading.next()).value as Asking;
    counted.shown += part?.lines.length ?? 0;
    counted.leftOut += Number(part?.left_out ?? 0);
    counted.dropped += Number(part?.dropped ?? 0);
  }
  assert.equal(counted.shown + counted.leftOut + counted.dropped, written.length, JSON.stringify(counted));
  assert.ok(counted.dropped > 0);
  stalled.cancel();
  quick.cancel();
});
