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
  assert.equal(again.stdout, 'entry/web unchanged\nentry/db configured (topic)\n');
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

const PAUSED_AND_LIMITED = `- {name: web, paths: [/var/log/web.log], topic: web, owner: team-web}
`;

test('apply keeps what an operator has set and the file does not name, and warns of it with author, time and reason', async () => {
  await using running = await controller();
  const run = (args: string[], input?: string) => runCommand(running.address, args, { input });
  await run(['apply', '-f', '-'], PAUSED_AND_LIMITED);
  await run(['--author', 'ann@ops', 'pause', 'entry', 'web', '--reason', 'the disk is slow']);
  await run(['--author', 'bob@ops', 'limit', 'entry', 'web', '1MiB']);
  const changed = PAUSED_AND_LIMITED.replace('topic: web', 'topic: other');
  const dry = await run(['apply', '-f', '-', '--dry-run'], changed);
  const applied = await run(['apply', '-f', '-'], changed);
  const again = await run(['apply', '-f', '-'], changed);
  assert.equal(dry.stdout, 'entry/web configured (topic) (dry run)\n');
  assert.equal(applied.stdout, 'entry/web configured (topic)\n');
  assert.equal(again.stdout, 'entry/web unchanged\n');
  for (const { code, stderr } of [dry, applied, again]) {
    assert.equal(code, 0);
    const [limit, pause] = stderr.split('\n');
    assert.match(
      limit ?? '',
      /^warning: entry\/web: max_bytes_per_second stays 1048576, because the file does not name it; bob@ops set it at 20\d\d-\S+Z$/,
    );
    assert.match(
      pause ?? '',
      /^warning: entry\/web: paused stays true, because the file does not name it; ann@ops set it at \S+Z \(the disk is slow\)$/,
    );
  }
  const entry = await running.api.call('EntryService', 'GetEntry', { name: 'entries/web' });
  assert.deepEqual([entry.topic, entry.paused, entry.max_bytes_per_second], ['other', true, '1048576']);
});

test('apply warns when a file changes what an operator has set, but not when it changes what a file has set', async () => {
  await using running = await controller();
  const run = (args: string[], input?: string) => runCommand(running.address, args, { input });
  const named = PAUSED_AND_LIMITED.replace('{', '{paused: false, filter: {include: a}, ');
  await run(['apply', '-f', '-'], named);
  await run(['--author', 'ann@ops', 'pause', 'entry', 'web']);
  const other = named.replace('include: a', 'include: b');
  const applied = await run(['apply', '-f', '-'], other);
  assert.equal(applied.stdout, 'entry/web configured (filter, paused)\n');
  assert.match(applied.stderr, /^warning: entry\/web: paused changes from true to false; ann@ops set it at \S+Z\n$/);
  const again = await run(['apply', '-f', '-'], other.replace('paused: false', 'paused: true'));
  assert.deepEqual([again.stdout, again.stderr], ['entry/web configured (paused)\n', '']);
});

test('a field that a file names without a value gets its default, and diff shows what apply would change', async () => {
  await using running = await controller();
  const run = (args: string[], input?: string) => runCommand(running.address, args, { input });
  await run(['apply', '-f', '-'], PAUSED_AND_LIMITED.replace('{', '{filter: {include: a}, '));
  const without = await run(['diff', '-f', '-'], PAUSED_AND_LIMITED);
  assert.deepEqual([without.code, without.stdout], [0, '']);
  const emptied = PAUSED_AND_LIMITED.replace('{', '{filter: , ');
  assert.match((await run(['diff', '-f', '-'], emptied)).stdout, /\n-filter:\n- {2}include: a\n/);
  const applied = await run(['apply', '-f', '-'], emptied);
  assert.deepEqual([applied.stdout, applied.stderr], ['entry/web configured (filter)\n', '']);
  const entry = await running.api.call('EntryService', 'GetEntry', { name: 'entries/web' });
  assert.equal(entry.filter, null);
});
