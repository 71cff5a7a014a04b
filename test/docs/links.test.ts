import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import {
  anchorsOf,
  citedPathsOf,
  documentPages,
  linksOf,
  type MarkdownPage,
  readPage,
  repository,
} from '../support/markdown.ts';

test('every relative link of the documents leads to a file, and to a heading in it', () => {
  assert.deepEqual(documentPages().flatMap(brokenLinks), []);
});

test('every path that the documents name exists', () => {
  const missing = documentPages()
    // A changelog names what was there at the time.
    .filter(({ path }) => path !== 'CHANGELOG.md')
    .flatMap((page) =>
      citedPathsOf(page)
        .filter((path) => !existsSync(join(repository, path)))
        .map((path) => `${page.path}: ${path}`),
    );
  assert.deepEqual(missing, []);
});

test('broken links and paths are found', () => {
  const page: MarkdownPage = {
    path: 'docs/a.md',
    lines: ['# One', '[b](no-such.md) [c](#two) [d](../README.md#no-such) [e](#one)', '`agent/{main,none}.ts`'],
  };
  assert.deepEqual(brokenLinks(page), [
    'docs/a.md: no-such.md: there is no docs/no-such.md',
    'docs/a.md: #two: no such heading',
    'docs/a.md: ../README.md#no-such: no such heading',
  ]);
  assert.deepEqual(citedPathsOf(page), ['agent/main.ts', 'agent/none.ts']);
});

function brokenLinks(page: MarkdownPage): string[] {
  return linksOf(page)
    .filter((link) => !/^[a-z]+:/.test(link))
    .flatMap((link) => {
      const [file, anchor] = link.split('#') as [string, string | undefined];
      const target = file === '' ? page.path : normalize(join(dirname(page.path), file));
      const ownPage = target === page.path;
      if (!ownPage && !existsSync(join(repository, target))) return [`${page.path}: ${link}: there is no ${target}`];
      if (anchor === undefined || !target.endsWith('.md')) return [];
      const anchors = anchorsOf(ownPage ? page : readPage(target));
      return anchors.has(anchor) ? [] : [`${page.path}: ${link}: no such heading`];
    });
}
