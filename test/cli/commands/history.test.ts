import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { etagRevision } from '../../../proto/rules/etag.ts';
import { controller, good, versionsOf } from '../../support/entry-history.ts';
import { eventually } from '../../support/eventually.ts';
import { startProcess } from '../../support/process.ts';
import { runCommand } from '../../support/run-command.ts';
import { tempDir } from '../../support/temp-dir.ts';

type Running = Awaited<ReturnType<typeof controller>>;

const logfleet = ({ address }: Running, args: readonly string[], input = '', env: NodeJS.ProcessEnv = {}) =>
  runCommand(address, args, { input, env });

const yaml = (name: string, topic: string, labels = '{managed-by: git}') =>
  `- {name: ${name}, paths: ["/var/log/${name}.log"], topic: ${topic}, labels: ${labels}}\n`;

test('a folder is applied at one revision with a reason, --prune deletes by label, and a dry run changes nothing', async () => {
  await using running = await controller();
  await using dir = await tempDir();
  const run = (...args: string[]) => logfleet(running, args);
  const folder = dir.at('entries');
  await mkdir(folder);
  await writeFile(join(folder, 'a.yaml'), yaml('a', 'one'));
  await writeFile(join(folder, 'b.yaml'), yaml('b', 'one'));
  await running.api.call('EntryService', 'CreateEntry', { entry_id: 'other', entry: good });
  const dry = await run('apply', '-f', folder, '--dry-run');
  assert.deepEqual([dry.code, dry.stdout], [0, 'entry/a created (dry run)\nentry/b created (dry run)\n']);
  assert.equal((await run('get', 'entries', '-o', 'name')).stdout, 'entry/other\n');

  const first = await run('apply', '-f', folder, '--reason', 'the first');
  assert.equal(first.stdout, 'entry/a created\nentry/b created\n', first.stderr);
  const [a] = await versionsOf(running, 'a');
  const [b] = await versionsOf(running, 'b');
  assert.deepEqual([a?.revision, a?.change_reason], [b?.revision, 'the first']);
  assert.deepEqual([a?.author, a?.author_authenticated], [`${userInfo().username}@${hostname()}`, false]);

  await rm(join(folder, 'b.yaml'));
  await writeFile(join(folder, 'c.yaml'), yaml('c', 'two'));
  const prune = ['apply', '-f', folder, '--prune', '-l', 'managed-by=git'];
  assert.equal(
    (await run(...prune, '--dry-run')).stdout,
    'entry/a unchanged (dry run)\nentry/c created (dry run)\nentry/b pruned (dry run)\n',
  );
  assert.equal((await run(...prune)).stdout, 'entry/a unchanged\nentry/c created\nentry/b pruned\n');
  assert.equal((await run(...prune)).stdout, 'entry/a unchanged\nentry/c unchanged\n');
  assert.equal((await run('get', 'entries', '-o', 'name')).stdout, 'entry/a\nentry/c\nentry/other\n');

  // One entry that can't be written prevents all writes.
  const stale = yaml('a', 'three').replace('{', '{etag: "1", ') + yaml('d', 'one');
  const refused = await logfleet(running, ['apply', '-f', '-'], stale);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /entries\/a has changed since/);
  assert.equal((await run('get', 'entries', '-o', 'name')).stdout, 'entry/a\nentry/c\nentry/other\n');
  const wrong: [string[], RegExp][] = [
    [['apply', '-f', folder, '--prune'], /--prune needs -l/],
    [['apply', '-f', folder, '-l', 'a=b'], /--selector is for --prune/],
    [
      ['apply', '-f', folder, '--prune', '-l', 'managed-by=hand'],
      /a\.yaml:1: labels: "managed-by=hand" does not match/,
    ],
  ];
  for (const [args, expected] of wrong) {
    const { code, stderr } = await run(...args);
    assert.equal(code, 2, stderr);
    assert.match(stderr, expected);
  }
});

test('a change of the filter alone is applied', async () => {
  await using running = await controller();
  const apply = (include: string) =>
    logfleet(running, ['apply', '-f', '-'], `{name: a, paths: [/a.log], topic: t, filter: {include: ${include}}}`);
  assert.equal((await apply('one')).stdout, 'entry/a created\n');
  assert.equal((await apply('two')).stdout, 'entry/a configured (filter)\n');
  const entry = await running.api.call('EntryService', 'GetEntry', { name: 'entries/a' });
  assert.equal(entry.filter.include, 'two');
});

test('history lists who changed what, diff compares versions, and rollback restores one', async () => {
  await using running = await controller();
  await using dir = await tempDir();
  const run = (...args: string[]) => logfleet(running, args);
  await writeFile(dir.at('a.yaml'), yaml('a', 'one'));
  const fresh = await run('diff', '-f', dir.at('a.yaml'));
  assert.equal(fresh.code, 1);
  assert.match(fresh.stdout, /^--- \/dev\/null\n\+\+\+ .*a\.yaml:1\n@@ -0,0 \+1,\d+ @@\n\+name: a\n/);
  await run('--author', 'ann@ci', 'apply', '-f', dir.at('a.yaml'));
  const same = await run('diff', '-f', dir.at('a.yaml'));
  assert.deepEqual([same.code, same.stdout, same.stderr], [0, '', '']);
  await writeFile(dir.at('a.yaml'), yaml('a', 'two'));
  const differs = await run('diff', '-f', dir.at('a.yaml'));
  assert.deepEqual([differs.code, differs.stderr], [1, '']);
  assert.match(
    differs.stdout,
    /^--- entries\/a at revision \d+\n\+\+\+ .*a\.yaml:1\n@@ .* @@\n(?: .*\n)+-topic: one\n\+topic: two\n/,
  );
  await logfleet(running, ['apply', '-f', dir.at('a.yaml'), '--reason', 'two is\nbetter'], '', {
    LOGFLEET_AUTHOR: 'bób',
  });
  await run('delete', 'entry', 'a', '--reason', 'gone');

  const { stdout: table } = await run('history', 'entry', 'a');
  const rows = table
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {3,}/));
  assert.deepEqual(rows[0], ['REVISION', 'VERSION', 'CHANGE', 'AUTHOR', 'AGE', 'REASON']);
  const seen = rows.slice(1).map(([, version, change, author, , reason]) => [version, change, author, reason]);
  assert.deepEqual(seen.slice(1), [
    ['2', 'Updated', 'bób?', 'two is better'],
    ['1', 'Created', 'ann@ci?', '-'],
  ]);
  assert.deepEqual([seen[0]?.[1], seen[0]?.[3]], ['Deleted', 'gone']);
  const { versions } = JSON.parse((await run('history', 'entry/a', '-o', 'json')).stdout);
  const [deleted, second, first] = versions.map(({ revision }: { revision: string }) => revision);

  const between = await run('diff', 'entry', 'a', '--revision', first, '--to', second);
  assert.match(
    between.stdout,
    new RegExp(`^--- entries/a at revision ${first}\\n\\+\\+\\+ entries/a at revision ${second}\\n`),
  );
  assert.match(between.stdout, /\n-topic: one\n\+topic: two\n/);
  assert.match(
    (await run('diff', 'entry', 'a', '--revision', first)).stdout,
    new RegExp(`revision ${deleted}, deleted\n`),
  );
  const back = await run('rollback', 'entry', 'a', '--to-revision', first, '--reason', 'one was better');
  assert.match(back.stdout, new RegExp(`^entry/a rolled back to ${first}, its revision is \\d+\n$`));
  assert.equal((await run('diff', 'entry', 'a', '--revision', first)).code, 0);
  assert.match(
    (await run('history', 'entry', 'a')).stdout,
    new RegExp(`4 +Rolled-back to ${first} +\\S+ +\\d+s +one was better\n`),
  );
  const cases: [string[], number, RegExp][] = [
    [['rollback', 'entry', 'a', '--to-revision', '1'], 1, /has no version of revision 1: its last revisions are/],
    [['rollback', 'entry', 'a', '--to-revision', 'x'], 2, /Give a revision/],
    [['history', 'entry', 'none'], 1, /there is no entries\/none/],
    [['history', 'agent', 'a'], 2, /"agent" does not fit this command: give entries/],
    [['diff'], 2, /give files with -f, or an entry and --revision/],
    [['diff', 'entry', 'a', '--revision', '1'], 2, /has no version with revision 1: see logfleet history entry a/],
    [['diff', 'entry', 'none', '--revision', '1'], 2, /there is no entries\/none/],
    [['--controller', '127.0.0.1:1', 'diff', '-f', dir.at('a.yaml')], 3, /can't be reached/],
  ];
  for (const [args, code, expected] of cases) {
    const outcome = await run(...args);
    assert.equal(outcome.code, code, `${args.join(' ')}: ${outcome.stderr}`);
    assert.match(outcome.stderr, expected);
  }
  for (const command of ['apply', 'history', 'diff', 'rollback', 'audit'])
    assert.match((await run(command, '--help')).stdout, /Examples:\n {2}# .*\n {2}logfleet /);
});

test('a rollback keeps what an operator has set, and warns of it and of what it replaces', async () => {
  await using running = await controller();
  await using dir = await tempDir();
  const run = (...args: string[]) => logfleet(running, ['--author', 'ann', ...args]);
  const revisions = async () => {
    const { versions } = JSON.parse((await run('history', 'entry', 'a', '-o', 'json')).stdout);
    return versions.map(({ revision }: { revision: string }) => revision);
  };
  await writeFile(dir.at('a.yaml'), yaml('a', 'one'));
  await run('apply', '-f', dir.at('a.yaml'));
  await run('limit', 'entry', 'a', '2KiB');
  const [limited, first] = await revisions();
  await run('pause', 'entry', 'a', '--reason', 'disk is slow');
  await run('limit', 'entry', 'a', '4KiB');

  const dry = await run('rollback', 'entry', 'a', '--to-revision', first, '--dry-run');
  assert.match(dry.stdout, /rolled back to \d+ \(dry run\)\n$/);
  const back = await run('rollback', 'entry', 'a', '--to-revision', first);
  assert.equal(back.stderr, dry.stderr);
  const setBy = 'ann set it at \\S+Z';
  const pause = `warning: entry/a: paused stays true, because revision ${first} does not have it; ${setBy} \\(disk is slow\\)\n`;
  const limit = `warning: entry/a: max_bytes_per_second stays 4096, because revision ${first} does not have it; ${setBy}\n`;
  assert.match(back.stderr, new RegExp(`^${limit}${pause}$`));
  const entry = () => running.api.call('EntryService', 'GetEntry', { name: 'entries/a' });
  assert.deepEqual([(await entry()).paused, (await entry()).max_bytes_per_second], [true, '4096']);

  const replaced = await run('rollback', 'entry', 'a', '--to-revision', limited);
  const changes = `warning: entry/a: max_bytes_per_second changes from 4096 to 2048; ${setBy}\n`;
  assert.match(replaced.stderr, new RegExp(changes));
  assert.equal((await entry()).max_bytes_per_second, '2048');
});

test('audit lists all stored changes, follows new ones, and continues from a revision', async () => {
  await using running = await controller('--history.versions', '2');
  const run = (...args: string[]) => logfleet(running, args);
  const update = (owner: string) =>
    running.api.call('EntryService', 'UpdateEntry', {
      entry: { ...good, name: 'entries/a', owner },
      allow_missing: true,
    });
  await update('1');
  await update('2');
  const { stdout } = await run('audit');
  assert.match(
    stdout,
    /^TIME +ENTRY +REVISION +VERSION +CHANGE +AUTHOR +REASON\n.* a +\d+ +1 +Created .*\n.* a +\d+ +2 +Updated .*\n$/,
  );
  const env = { LOGFLEET_CONTROLLER: running.address };
  await using follower = startProcess('cli/main.ts', ['audit', '--follow', '-o', 'json'], env);
  const lines = () =>
    follower
      .stdout()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  await eventually(() => assert.equal(lines().length, 2));
  const { etag } = await update('3');
  await eventually(() => assert.equal(lines().at(-1).version.entry.owner, '3'));
  const from = await run('audit', '-o', 'json', '--from-revision', etagRevision(etag));
  assert.equal(JSON.parse(from.stdout).revision, etagRevision(etag));
  const trimmed = await run('audit');
  assert.match(
    trimmed.stderr,
    /^warning: changes of entries\/a up to revision \d+ are missing: its history has been trimmed\n$/,
  );
});
