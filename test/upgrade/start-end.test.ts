import assert from 'node:assert/strict';
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { runProcess } from '../support/process.ts';
import { sharedKafka } from '../support/servers.ts';
import { createTopic, readTopic } from '../support/topics.ts';
import { HERE, startAgentOf } from './checkout.ts';
import { LOGS, START_END, topicOf } from './fixture.ts';
import { restoreFiles } from './restore-fixture.ts';
import { openIntents } from './state-dump.ts';
import { assertTiles } from './tiling.ts';

/** What each of the files had when the previous release began to read at its end. */
const FIRST = 25;

test('files that the previous release began at their end have true ranges, also a batch that it was about to send', async () => {
  using files = restoreFiles(START_END);
  const brokers = await sharedKafka();
  const [topic, audit] = [topicOf(files.token, 'tail'), topicOf(files.token, 'audit')];
  for (const name of [topic, audit]) await createTopic(brokers, 1, { name });
  assert.equal(openIntents(files.stateDir).length, 1);
  const paths = ['busy.log', 'idle.log'].map((name) => join(files.folder, LOGS, name));
  for (const path of paths) await appendFile(path, 'last\n');
  const args = ['--entries', join(files.stateDir, 'entries.yaml'), '--kafka', brokers.join(), '--audit-topic', audit];
  await using agent = startAgentOf(HERE, [...args, '--state', files.stateDir]);
  await eventually(
    async () => {
      const byPath = Map.groupBy(await readTopic(brokers, topic), ({ headers }) => headers['log.file.path']);
      for (const path of paths) assertTiles(byPath.get(path) ?? [], await readFile(path), path, FIRST);
      const facts = (await readTopic(brokers, audit)).map(({ value }) => JSON.parse(value.toString()));
      const begun = facts.map(({ kind, path, first, reason }) => [kind, path, first, reason]);
      assert.deepEqual(
        begun.sort(),
        paths.map((path) => ['begun', path, FIRST, 'unknown']),
        agent.stderr(),
      );
    },
    { timeoutMs: 60_000 },
  );
  const verify = ['verify', '--topic', topic, '--kafka', brokers.join(), '--audit-topic', audit];
  const { code, stdout } = await runProcess('cli/main.ts', verify);
  assert.equal(code, 0, stdout);
});
