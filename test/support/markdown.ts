import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const repository = join(import.meta.dirname, '..', '..');

/** A Markdown file of the repository; `path` is relative to its root. */
export interface MarkdownPage {
  path: string;
  lines: readonly string[];
}

/** Every page that people read: the root's, docs/ and bench/RESULTS.md. */
export function documentPages(): MarkdownPage[] {
  const paths = globSync(['*.md', '{docs,bench,deploy,examples}/**/*.md'], { cwd: repository });
  return paths.sort().map(readPage);
}

export function readPage(path: string): MarkdownPage {
  return { path, lines: readFileSync(join(repository, path), 'utf8').trimEnd().split('\n') };
}

/** The page without its fenced blocks, whose text is not Markdown. Line numbers stay. */
export function proseOf(page: MarkdownPage): string[] {
  let fenced = false;
  return page.lines.map((line) => {
    const fence = line.trimStart().startsWith('```');
    if (fence) fenced = !fenced;
    return fenced || fence ? '' : line;
  });
}

/** The targets of the page's inline links, such as `docs/record.md#headers`. */
export function linksOf(page: MarkdownPage): string[] {
  const prose = proseOf(page).map((line) => line.replaceAll(/`[^`]*`/g, ''));
  return prose.flatMap((line) => [...line.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] as string));
}

/** The anchors that GitHub makes of the page's headings. */
export function anchorsOf(page: MarkdownPage): Set<string> {
  const seen = new Map<string, number>();
  const anchors = new Set<string>();
  for (const line of proseOf(page)) {
    const heading = /^#{1,6} (.*)$/.exec(line)?.[1];
    if (heading === undefined) continue;
    const slug = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-');
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    anchors.add(count === 0 ? slug : `${slug}-${count}`);
  }
  return anchors;
}

const TOP = 'agent|bench|bin|cli|controller|deploy|docs|examples|proto|runtime|stack|test';
const PATH = new RegExp(`^(?:${TOP})/[\\w./{},@-]*$`);

/** Paths of the repository that the page names in code spans; `a/{b,c}.ts` is two of them. */
export function citedPathsOf(page: MarkdownPage): string[] {
  const spans = proseOf(page).flatMap((line) => [...line.matchAll(/`([^`]+)`/g)].map((match) => match[1] as string));
  return spans.filter((span) => PATH.test(span)).flatMap(expandBraces);
}

function expandBraces(path: string): string[] {
  const match = /^(.*?)\{([^}]*)\}(.*)$/.exec(path);
  if (!match) return [path];
  const [, before, choices, after] = match as unknown as [string, string, string, string];
  return choices.split(',').flatMap((choice) => expandBraces(`${before}${choice}${after}`));
}

/** A test that the page cites. */
export interface CitedTest {
  file: string;
  name: string;
}

/** In each block of the page: a test file's path, then the names of its tests in double quotes. */
export function citedTestsOf(page: MarkdownPage): CitedTest[] {
  const blocks = page.lines.join('\n').split(/\n\s*\n/);
  return blocks.flatMap((block) => {
    let file: string | undefined;
    const found: CitedTest[] = [];
    for (const [, path, name] of block.replaceAll(/\s+/g, ' ').matchAll(/`(test\/[\w./-]+\.test\.ts)`|"([^"]+)"/g)) {
      if (path !== undefined) file = path;
      else if (name !== undefined && file !== undefined) found.push({ file, name });
    }
    return found;
  });
}

/** The titles of a test file's tests; what a template inserts is `…`. */
export function testTitlesOf(file: string): string[] {
  const text = readFileSync(join(repository, file), 'utf8');
  const pattern = /\btest\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g;
  return [...text.matchAll(pattern)].map((match) =>
    (match[1] ?? match[2] ?? match[3] ?? '').replaceAll(/\$\{[^}]*\}/g, '…').replaceAll(/\\(.)/g, '$1'),
  );
}

/** A command line in a shell block. */
export interface ShownCommand {
  page: string;
  text: string;
  program: string;
  /** What stands before the first flag. */
  words: readonly string[];
  flags: readonly string[];
}

/** The command lines of these programs in the page's shell blocks, without comments. */
export function commandsOf(page: MarkdownPage, programs: readonly string[]): ShownCommand[] {
  const blocks = page.lines.join('\n').matchAll(/^```sh\n([\s\S]*?)^```/gm);
  const lines = [...blocks].flatMap((match) => (match[1] as string).replaceAll('\\\n', ' ').split('\n'));
  return lines
    .flatMap((line) => line.replace(/\s#.*/, '').split(/ \| | && |<\(/))
    .flatMap((text) => {
      const [command = '', ...rest] = text.trim().split(/\s+/);
      const program = command.replace(/^bin\//, '');
      if (!programs.includes(program)) return [];
      const first = rest.findIndex((word) => word.startsWith('-'));
      const words = first < 0 ? rest : rest.slice(0, first);
      const flags = rest.filter((word) => /^--?[a-z]/.test(word)).map((word) => word.replace(/=.*/, ''));
      return [{ page: page.path, text: text.trim(), program, words, flags }];
    });
}
