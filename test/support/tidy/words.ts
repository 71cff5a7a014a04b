import { proseLines } from './prose.ts';
import { scanCode } from './scan-code.ts';
import { isGenerated, type SourceFile, type Violation } from './source-file.ts';

/** Words that this code base once used in a sense of its own, and what a stranger understands. */
const DIALECT: readonly (readonly [RegExp, string])[] = [
  [/\blest\b/i, '"so that … does not", or two sentences'],
  [/\b(?:is|was|are|were|be|been|being) told\b|\btold of\b|\btells? of\b/i, 'say who reports, sends or logs it'],
  [/\b(?:is|are|was|were) no more\b/i, '"is deleted", "has ended"'],
  [/\bby now\b/i, '"now" or "already"'],
  [/\banew\b/i, '"again" or "a new …"'],
  [/\bwhoever\b/i, '"a user who", "an operator who"'],
  [/\bunder way\b/i, '"in progress", "in flight"'],
  [/\bwhat there is\b/i, 'name the thing'],
  [/\b(?:come|comes|came) once more\b/i, '"is sent again", "is read again"'],
  [/\b(?:go|goes|went) on\b/i, '"continue"'],
  [/\b(?:come|comes|came) back\b/i, '"return", "reconnect", "is rejected"'],
];

/** It has bad examples of each rule. */
const EXAMPLES = 'test/architecture.test.ts';

/** Checks comments, strings and documents, not names. */
export function wordViolations(file: SourceFile): Violation[] {
  if (isGenerated(file.path) || file.path === EXAMPLES) return [];
  return passagesOf(file).flatMap(({ line, text }) =>
    text.split('\n').flatMap((part, at) =>
      DIALECT.filter(([pattern]) => pattern.test(part)).map(([pattern, plain]) => ({
        path: file.path,
        line: line + at,
        problem: `"${pattern.exec(part)?.[0]}" is dialect`,
        remedy: `write ${plain}`,
      })),
    ),
  );
}

function passagesOf(file: SourceFile): { line: number; text: string }[] {
  return /\.(ts|mjs|as|proto)$/.test(file.path) ? scanCode(file.text) : proseLines(file);
}
