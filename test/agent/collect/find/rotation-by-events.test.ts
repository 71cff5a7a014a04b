import { appendFile, rename, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { agentOf, createFleet, waitUntilAcknowledged, waitUntilDelivered } from '../../../support/fleet-fixture.ts';
import { createTopic } from '../../../support/topics.ts';

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
