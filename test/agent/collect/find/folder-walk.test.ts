import assert from 'node:assert/strict';
import { mkdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { Discovery, type FileSelection } from '../../../../agent/collect/find/discovery.ts';
import { type TempDir, tempDir } from '../../../support/temp-dir.ts';

const signal = new AbortController().signal;
const PACKAGES = Array.from({ length: 9 }, (_, index) => `pkg${index}`);

async function touch(dir: TempDir, ...names: string[]): Promise<void> {
  for (const name of names) {
    await mkdir(dirname(dir.at(name)), { recursive: true });
    await writeFile(dir.at(name), '');
  }
}

async function link(dir: TempDir, links: Record<string, string>): Promise<void> {
  for (const [name, target] of Object.entries(links)) await symlink(dir.at(target), dir.at(name));
}

/** The paths found, relative to the folder, in the order found. */
async function found(dir: TempDir, paths: string[], selection: Partial<FileSelection> = {}): Promise<string[]> {
  const exclude = (selection.exclude ?? []).map((glob) => dir.at(glob));
  const globs = paths.map((glob) => dir.at(glob));
  const { files, errors } = await new Discovery({ ...selection, paths: globs, exclude }).scan(signal);
  assert.deepEqual(errors, []);
  return files.map(({ path }) => path.slice(dir.path.length + 1));
}

// Without a memory of the real folders, the walk of nine takes 9! paths.
test('in folders that all link to each other each file is found once, at its path without links', async () => {
  await using dir = await tempDir();
  await touch(dir, ...PACKAGES.map((name) => `${name}/app.log`));
  for (const from of PACKAGES)
    for (const to of PACKAGES) if (from !== to) await symlink(`../${to}`, dir.at(from, `dep-${to}`));
  assert.deepEqual(
    await found(dir, ['**/*.log']),
    PACKAGES.map((name) => `${name}/app.log`),
  );
});

test('of several links to a folder the one with the fewest links on its path wins, then the shortest, then the first by name', async () => {
  await using dir = await tempDir();
  await touch(dir, 'real/a.log', 'other/b.log', 'logs/x/y/z.txt');
  await link(dir, { 'logs/x/y/near': 'real', 'logs/c': 'real', 'logs/b': 'real', 'other/far': 'real' });
  assert.deepEqual(await found(dir, ['logs/**/*.log']), ['logs/b/a.log']);
  await rm(dir.at('logs/b'));
  assert.deepEqual(await found(dir, ['logs/**/*.log']), ['logs/c/a.log']);
  await rm(dir.at('logs/c'));
  await link(dir, { 'logs/a': 'other' });
  assert.deepEqual(await found(dir, ['logs/**/*.log']), ['logs/a/b.log', 'logs/x/y/near/a.log']);
});

test('a folder is searched again at a link if other names match below it', async () => {
  await using dir = await tempDir();
  await touch(dir, 'releases/1/out/a.log', 'releases/1/b.txt', 'skipped/c.log');
  await link(dir, { 'web-current': 'releases/1', kept: 'skipped' });
  const names = await found(dir, ['*-current/**/*.log', '**/*.txt']);
  assert.deepEqual(names, ['releases/1/b.txt', 'web-current/b.txt', 'web-current/out/a.log']);
  assert.deepEqual(await found(dir, ['*/*.log'], { exclude: ['skipped/*.log'] }), ['kept/c.log']);
});

test('with follow_links: false links to files and folders are ignored, except before the first wildcard of a glob', async () => {
  await using dir = await tempDir();
  await touch(dir, 'real/a.log', 'logs/b.log');
  await link(dir, { 'logs/link': 'real', 'logs/c.log': 'real/a.log', entrance: 'logs' });
  const followLinks = false;
  assert.deepEqual(await found(dir, ['logs/**/*.log'], { followLinks }), ['logs/b.log']);
  assert.deepEqual(await found(dir, ['entrance/*.log'], { followLinks }), ['entrance/b.log']);
  assert.deepEqual(await found(dir, ['logs/c.log'], { followLinks }), ['logs/c.log']);
  const discovery = new Discovery({ paths: [dir.at('logs', '**', '*.log')], exclude: [], followLinks });
  await discovery.scan(signal);
  for (const behind of ['logs/c.log', 'logs/link/a.log']) assert.equal(discovery.matches(dir.at(behind)), false);
  await link(dir, { 'logs/new.log': 'real/a.log' });
  assert.equal(await discovery.observe(dir.at('logs/new.log')), undefined);
  await rm(dir.at('logs/b.log'));
  await link(dir, { 'logs/b.log': 'real/a.log' });
  assert.equal(await discovery.observe(dir.at('logs/b.log')), undefined, 'a file that a link has replaced');
});

test('the file systems of the kernel are not searched, unless the glob begins there', async () => {
  await using dir = await tempDir();
  await symlink('/proc', dir.at('kernel'));
  assert.deepEqual(await found(dir, ['**/status']), []);
  const { files } = await new Discovery({ paths: ['/proc/1/ns/*', '/proc/self/stat*'], exclude: [] }).scan(signal);
  assert.ok(files.some(({ path }) => path === '/proc/self/stat'));
});

test('a scan ends at its limit of folders or files, says where, and finds the same files each time', async () => {
  await using dir = await tempDir();
  await touch(dir, ...['a', 'b', 'c', 'd'].flatMap((folder) => [`${folder}/1.log`, `${folder}/2.log`]));
  const selection = { paths: [dir.at('*', '*.log')], exclude: [] };
  const cases = [
    { limits: { folders: 3, files: 100 }, count: 4, end: 'c', reason: /limit of 3 folders.*narrow "paths"/ },
    { limits: { folders: 100, files: 5 }, count: 5, end: 'c', reason: /limit of 5 files.*narrow "paths"/ },
  ];
  for (const { limits, count, end, reason } of cases) {
    const discovery = new Discovery(selection, undefined, undefined, limits);
    const first = await discovery.scan(signal);
    assert.equal(first.files.length, count);
    assert.match(first.incomplete ?? '', reason);
    assert.ok(first.incomplete?.includes(`${dir.at(end)} `), first.incomplete);
    const again = await discovery.scan(signal);
    assert.deepEqual(
      [again.files.map(({ path }) => path), again.incomplete],
      [first.files.map(({ path }) => path), first.incomplete],
    );
  }
  const whole = new Discovery(selection, undefined, undefined, { folders: 5, files: 8 });
  assert.equal((await whole.scan(signal)).incomplete, undefined);
});

test('a link to a folder above it is not followed, and one to itself is no folder', async () => {
  await using dir = await tempDir();
  await touch(dir, 'logs/app/a.log', 'b.log');
  await link(dir, { 'logs/app/up': '', 'logs/app/ring': 'logs/app/ring' });
  await symlink('/', dir.at('logs', 'root'));
  assert.deepEqual(await found(dir, ['logs/**/*.log']), ['logs/app/a.log']);
  assert.ok((await stat(dir.at('b.log'))).isFile());
});
