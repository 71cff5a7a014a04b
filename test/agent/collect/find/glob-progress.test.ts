import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { Discovery } from '../../../../agent/collect/find/discovery.ts';
import { GlobProgress } from '../../../../agent/collect/find/glob-progress.ts';
import { globProblem } from '../../../../proto/rules/glob.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const signal = new AbortController().signal;
const FOLDERS = ['a', 'b', 'a/b', 'a/c', 'b/a', 'a/b/c', '.d'];
const FILES = ['x.log', 'y.txt', '.z.log'];
const part = fc.constantFrom('*', '**', 'a', 'b', 'l', '?', '{a,b}', '{a/c,b}', '{l,a/{b,c}}', '[al]', '.*', 'a**');
const file = fc.constantFrom('*.log', '*', '**', '{x,y}.*', 'x.log', '{b/x,y}.*');
const globs = (min: number) =>
  fc.array(
    fc.tuple(fc.array(part, { maxLength: 4 }), file).map(([parts, last]) => [...parts, last].join('/')),
    { minLength: min, maxLength: 3 },
  );
const links = fc.array(
  fc.tuple(fc.constantFrom('', ...FOLDERS), fc.constantFrom('l', 'm'), fc.constantFrom(...FOLDERS)),
  {
    maxLength: 5,
  },
);

/** The paths of files with at most `links` links, none of which leads to a folder above it. */
function* everyPath(folder: string, links = 1): Generator<string> {
  for (const child of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, child.name);
    const left = child.isSymbolicLink() ? links - 1 : links;
    const stats = statSync(path);
    if (stats.isFile()) yield path;
    else if (left >= 0 && !isAbove(stats, path)) yield* everyPath(path, left);
  }
}

function isAbove({ ino }: { ino: number }, path: string): boolean {
  for (let at = dirname(path); at !== '/'; at = dirname(at)) if (statSync(at).ino === ino) return true;
  return false;
}

test('for any globs and links, the walk finds each file of which a path with at most one link matches, and only files that match', async () => {
  await fc.assert(
    fc.asyncProperty(globs(1), globs(0), links, async (paths, exclude, linked) => {
      await using dir = await tempDir();
      for (const folder of ['', ...FOLDERS]) {
        mkdirSync(dir.at(folder), { recursive: true });
        for (const name of FILES) writeFileSync(dir.at(folder, name), '');
      }
      for (const [at, name, target] of linked)
        if (!readdirSync(dir.at(at)).includes(name)) symlinkSync(dir.at(target), dir.at(at, name));
      const rooted = (list: string[]) => list.map((glob) => `${dir.path}/${glob}`);
      const selection = { paths: rooted(paths), exclude: rooted(exclude) };
      fc.pre([...selection.paths, ...selection.exclude].every((glob) => globProblem(glob) === undefined));
      const discovery = new Discovery(selection);
      const { files, errors } = await discovery.scan(signal);
      const inodes = (of: string[]) => [...new Set(of.map((path) => statSync(path).ino))].sort();
      const expected = [...everyPath(dir.path)].filter((path) => discovery.matches(path));
      assert.deepEqual(errors, []);
      assert.ok(files.every(({ path }) => discovery.matches(path)));
      const found = new Set(inodes(files.map(({ path }) => path)));
      assert.deepEqual(
        inodes(expected).filter((inode) => !found.has(inode)),
        [],
      );
    }),
    { numRuns: 150 },
  );
});

test('folders below which the same names match have the same progress, and one below which none matches has none', () => {
  const progress = new GlobProgress(['/a/**/*.log', '/a/{b/c,d}/*.txt'], ['/a/x/*.log']);
  assert.equal(progress.at('/a/y'), progress.at('/a/y/z'));
  for (const other of ['/a/b', '/a/b/c', '/a/d', '/a/x'])
    assert.notEqual(progress.at(other), progress.at('/a/y'), other);
  for (const none of ['/b', '/a/.hidden', '/ab']) assert.equal(progress.at(none), undefined, none);
});
