import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { Discovery } from '../../../agent/collect/discovery.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';

const signal = new AbortController().signal;

async function touch(dir: TempDir, ...names: string[]): Promise<void> {
  for (const name of names) {
    await mkdir(dirname(dir.at(name)), { recursive: true });
    await writeFile(dir.at(name), '');
  }
}

async function found(dir: TempDir, paths: string[], exclude: string[] = []): Promise<string[]> {
  const rooted = (globs: string[]) => globs.map((glob) => dir.at(glob));
  const { files, errors } = await new Discovery({ paths: rooted(paths), exclude: rooted(exclude) }).scan(signal);
  assert.deepEqual(errors, []);
  return files.map(({ path }) => path.slice(dir.path.length + 1)).sort();
}

test('a scan finds the regular files that the globs match, each once, and no folder, pipe or excluded file', async () => {
  await using dir = await tempDir();
  await touch(dir, 'a.log', 'b.log', 'b.log.gz', 'x/c.log', 'x/y/d.log', '.hidden.log', 'old/e.log', 'f.log/g.log');
  assert.deepEqual(await found(dir, ['*.log']), ['a.log', 'b.log']);
  assert.deepEqual(await found(dir, ['**/*.log', 'a.log', '*.log']), [
    'a.log',
    'b.log',
    'f.log/g.log',
    'old/e.log',
    'x/c.log',
    'x/y/d.log',
  ]);
  assert.deepEqual(await found(dir, ['*/*.log']), ['f.log/g.log', 'old/e.log', 'x/c.log']);
  assert.deepEqual(await found(dir, ['**/*'], ['**/*.gz', 'old/**', 'x/**', '**/[bg]*']), ['a.log']);
  assert.deepEqual(await found(dir, ['none.log', 'no/such/*.log']), []);
});

test('links are followed to files and folders, a ring of them ends, and a link to nowhere is no file', async () => {
  await using dir = await tempDir();
  await touch(dir, 'real/a.log');
  await symlink(dir.at('real'), dir.at('link'));
  await symlink(dir.at('real', 'a.log'), dir.at('b.log'));
  await symlink(dir.at(), dir.at('real', 'ring'));
  await symlink(dir.at('nowhere'), dir.at('c.log'));
  assert.deepEqual(await found(dir, ['*.log']), ['b.log']);
  assert.deepEqual(await found(dir, ['link/*.log']), ['link/a.log']);
  assert.deepEqual(await found(dir, ['**/*.log']), ['b.log', 'link/a.log', 'real/a.log']);
});
