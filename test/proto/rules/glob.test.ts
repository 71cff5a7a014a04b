import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileGlob, globBase, globProblem, joinSlashes } from '../../../proto/rules/glob.ts';

test('globs match as in a shell: "*" within a folder, "**" across folders, dot files only by a dot', () => {
  const cases: [glob: string, path: string, matches: boolean][] = [
    ['/var/log/*.log', '/var/log/a.log', true],
    ['/var/log/*.log', '/var/log/x/a.log', false],
    ['/var/log/**/*.log', '/var/log/x/y/a.log', true],
    ['/var/log/**/*.log', '/var/log/a.log', true],
    ['/var/log/*.log', '/var/log/.a.log', false],
    ['/var/log/.*.log', '/var/log/.a.log', true],
    ['/var/log/{a,b}.log', '/var/log/b.log', true],
    ['/var/log/[ab].log', '/var/log/c.log', false],
    ['/var/log/[!ab].log', '/var/log/c.log', true],
    ['/var/log/[!ab].log', '/var/log/a.log', false],
    ['/var/log/[[:digit:]].log', '/var/log/7.log', true],
    ['/var/log/a?.log', '/var/log/ab.log', true],
    ['/var/log/app(1).log', '/var/log/app(1).log', true],
    ['/var/log/a\\*.log', '/var/log/a*.log', true],
    ['/var/log/a\\*.log', '/var/log/ab.log', false],
    ['/var/log/!a.log', '/var/log/!a.log', true],
    ['**/*.gz', '/var/log/x/a.gz', true],
  ];
  for (const [glob, path, matches] of cases) assert.equal(compileGlob(glob)(path), matches, `${glob} on ${path}`);
});

test('a glob that can never match a file is rejected with the remedy', () => {
  const cases: [string, RegExp][] = [
    ['', /is empty/],
    ['/var/log/', /ends with "\/"/],
    ['/var/../log/*', /contains "\." or "\.\."/],
    ['/var/[a.log', /unbalanced "\["/],
    ['/var/{a,b.log', /unbalanced "\{"/],
    ['/var/a}.log', /unbalanced "\}"/],
    ['/var/\0.log', /NUL/],
    [`/${'x'.repeat(5000)}`, /longer than/],
  ];
  for (const [glob, expected] of cases) {
    assert.match(globProblem(glob) ?? 'none', expected, glob);
    assert.throws(() => compileGlob(glob));
  }
});

test('the base of a glob is its longest folder without wildcards', () => {
  assert.equal(globBase('/var/log/*.log'), '/var/log');
  assert.equal(globBase('/var/log/a.log'), '/var/log/a.log');
  assert.equal(globBase('/*/x.log'), '/');
  assert.equal(globBase('/srv/{a,b}/x.log'), '/srv');
  assert.equal(globBase('/srv/a\\*/x.log'), '/srv');
});

test('a run of slashes counts as one, as in a path', () => {
  assert.equal(joinSlashes('//var///log/**//*.log'), '/var/log/**/*.log');
  assert.ok(compileGlob(joinSlashes('/var//log/*.log'))('/var/log/a.log'));
});
