import assert from 'node:assert/strict';
import { appendFile, mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { agentOf, createFleet, waitUntilAcknowledged, waitUntilDelivered } from '../../../support/fleet-fixture.ts';
import { createTopic, readTopic } from '../../../support/topics.ts';

// A new file at the path of a previous one was observed as the previous one, and its lines waited
// for the next scan.
test('a rotated file and its successor are read to their ends without waiting for a scan', async () => {
  await using on = await createFleet();
  const { controller, dir, kafka } = on;
  const topic = await createTopic(kafka);
  const file = dir.at('a.log');
  await writeFile(file, 'one\n');
  // No scans except those that the entry's revisions cause.
  await using _agent = agentOf(on, 'a', { args: ['--scan-interval', '1h'] });
  const entry = await controller.api.call('EntryService', 'CreateEntry', {
    entry_id: 'app',
    entry: { paths: [file], topic, start: 'beginning' },
  });
  await waitUntilAcknowledged(on, 'a', entry);
  await waitUntilDelivered(on, topic, 1);
  for (let rotation = 1; rotation <= 3; rotation++) {
    await appendFile(file, 'the last line\n');
    await rename(file, dir.at(`a.log.${rotation}`));
    await writeFile(file, 'the first line\n');
    await waitUntilDelivered(on, topic, 1 + 2 * rotation);
  }
});

// fluentd-kubernetes-daemonset#465; fluent-bit#649: the entry matches links, and a target that is
// rotated again before the next scan was never seen.
for (const [name, paths] of [
  ['a link', ['containers/*.log']],
  ['two links to one file', ['{containers,more}/*.log']],
  ['a file and a link to it', ['containers/*.log', 'pods/*/*.log']],
] as const) {
  test(`${name}: fast rotations are read to their ends without waiting for a scan, each line once`, async () => {
    await using on = await createFleet();
    const { controller, dir, kafka } = on;
    const topic = await createTopic(kafka);
    const file = dir.at('pods', 'c', '0.log');
    for (const folder of ['pods/c', 'containers', 'more']) await mkdir(dir.at(folder), { recursive: true });
    await symlink(file, dir.at('containers', 'c.log'));
    await symlink('../containers/c.log', dir.at('more', 'c.log'));
    await writeFile(file, 'start\n');
    await using _agent = agentOf(on, 'a', { args: ['--scan-interval', '1h'] });
    const entry = await controller.api.call('EntryService', 'CreateEntry', {
      entry_id: 'app',
      entry: { paths: paths.map((path) => dir.at(path)), topic, start: 'beginning' },
    });
    await waitUntilAcknowledged(on, 'a', entry);
    const expected = ['start'];
    await waitUntilDelivered(on, topic, expected.length);
    for (let rotation = 1; rotation <= 5; rotation++) {
      const lines = Array.from({ length: 1_000 }, (_, line) => `${rotation}-${line}`);
      await appendFile(file, `${lines.join('\n')}\n`);
      await rename(file, `${file}.${rotation}`);
      await writeFile(file, `first ${rotation}\n`);
      expected.push(...lines, `first ${rotation}`);
      await waitUntilDelivered(on, topic, expected.length);
    }
    const values = (await readTopic(kafka, topic)).map(({ value }) => String(value));
    assert.deepEqual(values.sort(), expected.sort());
  });
}
