import { bareCode } from './scan-code.ts';
import { isCode, isGenerated, linesOf, type SourceFile, type Violation } from './source-file.ts';

interface StyleRule {
  pattern: RegExp;
  problem: string;
  remedy: string;
  applies?: (path: string) => boolean;
}

/** Each pattern is matched against one line without its comments and strings. */
const RULES: readonly StyleRule[] = [
  {
    pattern: /^export default/,
    problem: 'a default export',
    remedy: 'export it by its name, so that it has one name everywhere',
    // Rollup and esbuild read a configuration's default export.
    applies: (path) => path.endsWith('.ts'),
  },
  {
    pattern: /^export \* from/,
    problem: 'a barrel',
    remedy: 'import from the file that declares the name',
  },
  {
    pattern: /\b(enum|namespace) [A-Z]/,
    problem: 'an enum or a namespace',
    remedy: 'use a union of literals, an "as const" object or a module: Node only strips types',
  },
  {
    pattern: /\bsetTimeout\(|\.sleep\(/,
    problem: 'a bare sleep in a test',
    remedy: 'wait for the condition with eventually(…): a sleep is too short on a busy machine',
    // The harnesses of chaos and upgrade write and kill at given times; their tests don't.
    applies: (path) => /^test\/(?!support|(chaos|upgrade)\/(?!.*\.test\.ts))/.test(path),
  },
];

const FILE_NAME = /^[a-z0-9]+(-[a-z0-9]+)*(\.test|\.d)?\.(ts|mts|mjs|as)$/;

export function styleViolations(file: SourceFile): Violation[] {
  if (!isCode(file.path) || isGenerated(file.path)) return [];
  const { path } = file;
  const found: Violation[] = [];
  if (!FILE_NAME.test(path.split('/').at(-1) as string))
    found.push({ path, line: 1, problem: 'the name is not kebab-case', remedy: 'name the file after its main export' });
  const rules = RULES.filter(({ applies }) => applies?.(path) ?? true);
  for (const [index, text] of linesOf(bareCode(file.text)).entries()) {
    for (const { problem, remedy } of rules.filter(({ pattern }) => pattern.test(text)))
      found.push({ path, line: index + 1, problem, remedy });
  }
  return found;
}
