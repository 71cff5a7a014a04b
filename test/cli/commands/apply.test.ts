import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { newPrefix, startController } from '../../support/controllers.ts';
import { runCommand, WEB_AND_DB } from '../../support/run-command.ts';
import { sharedEtcd } from '../../support/servers.ts';
import { tempDir } from '../../support/temp-dir.ts';

const controller = async () => startController(await sharedEtcd(), newPrefix());

test('apply creates or updates the entries of files, folders and standard input; delete accepts the same files', async () => {
  await using running = await controller();
  await using dir = await tempDir();
  const run = (args: string[], input?: string) => runCommand(running.address, args, { input });
  await mkdir(dir.at('entries'));
  await writeFile(dir.at('entries', 'a.yaml'), WEB_AND_DB);
  await writeFile(dir.at('entries', 'notes.txt'), 'not an entry');
  const first = await run(['apply', '-f', dir.at('entries')]);
  assert.deepEqual([first.code, first.stdout, first.stderr], [0, 'entry/web created\nentry/db created\n', '']);
  const again = await run(['apply', '-f', '-'], WEB_AND_DB.replace('topic: db', 'topic: other'));
  assert.equal(again.stdout, 'entry/web unchanged\nentry/db configured\n');
  const removed = await run(['delete', '-f', dir.at('entries', 'a.yaml')]);
  assert.equal(removed.stdout, 'entry/web deleted\nentry/db deleted\n');
  await run(['apply', '-f', '-'], WEB_AND_DB);
  const shown = await run(['get', 'entry', 'none', 'db', '-o', 'name']);
  assert.deepEqual([shown.code, shown.stdout, shown.stderr], [1, 'entry/db\n', 'error: there is no entries/none\n']);
  const missing = await run(['delete', 'entry', 'none', 'web', 'nothing']);
  assert.deepEqual([missing.code, missing.stdout], [1, 'entry/web deleted\n']);
  assert.equal(missing.stderr, 'error: there is no entries/none\nerror: there is no entries/nothing\n');
  assert.equal((await run(['delete', '-f', '-'], 'name: db\n')).stdout, 'entry/db deleted\n');
});
