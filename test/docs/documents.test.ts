import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { citedTestsOf, documentPages, readPage, repository, testTitlesOf } from '../support/markdown.ts';

const README_LINES_MAX = 90;
const INTERNALS_LINES_MAX = 120;

test('the README and the pages on the internals stay short', () => {
  const readme = readPage('README.md').lines.length;
  assert.ok(readme <= README_LINES_MAX, `README.md has ${readme} lines`);
  for (const { path, lines } of documentPages()) {
    if (!path.startsWith('docs/internals/')) continue;
    assert.ok(lines.length <= INTERNALS_LINES_MAX, `${path} has ${lines.length} lines`);
  }
});

test('every test that the guarantees and the failure catalogue cite exists', () => {
  for (const path of ['docs/guarantees.md', 'docs/failure-catalogue.md']) {
    const cited = citedTestsOf(readPage(path));
    assert.ok(cited.length > 20, `${path} cites ${cited.length} tests`);
    const missing = cited.filter(({ file, name }) => !titlesOf(file).includes(name));
    assert.deepEqual(missing, [], path);
  }
});

test('nothing cites a document that is not in the repository', () => {
  const names = ['design', 'house', 'conventions'].join('|');
  const outside = new RegExp(`(?<![\\w-])(${names})\\.md|/${'work'}/|\\b${'shared'}/[a-z]`);
  const pattern = '{agent,bench,bin,cli,controller,deploy,docs,examples,proto,runtime,stack,test}/**/*';
  const files = globSync(['*.md', '*.json', `${pattern}.{ts,mjs,sh,as,md,proto,yaml}`], { cwd: repository });
  assert.ok(files.length > 300);
  const citing = files.filter((file) => outside.test(readFileSync(join(repository, file), 'utf8')));
  assert.deepEqual(citing, []);
});

test("the README's figures are those of the table that it links to", () => {
  const readme = readPage('README.md').lines.join('\n');
  const backlog = readPage('bench/RESULTS.md')
    .lines.join('\n')
    .split(/^## /m)
    .find((text) => text.startsWith('backlog\n'));
  const ratioOf = (tool: string) => {
    const row = backlog?.split('\n').find((line) => line.startsWith(`| ${tool} |`));
    return row?.split('|')[4]?.trim() ?? `no row of ${tool}`;
  };
  const claim = /(\d\.\d+) of kcat's speed with its headers and (\d\.\d+) without/.exec(readme.replaceAll('\n', ' '));
  assert.ok(claim, 'the README compares with kcat');
  assert.deepEqual(claim.slice(1), [ratioOf('logfleet, headers standard'), ratioOf('logfleet, headers none')]);
});

function titlesOf(file: string): string[] {
  return existsSync(join(repository, file)) ? testTitlesOf(file) : [];
}
