import { bareCode } from './scan-code.ts';
import { isGenerated, linesOf, type SourceFile, type Violation } from './source-file.ts';

/** A file is one concept that is read in one sitting; a function is seen whole on one screen. */
const FILE_LINES_MAX = 300;
const FUNCTION_LINES_MAX = 60;

/**
 * The start of a function, of a method or of a constant that holds a function, by the formatter's
 * layout.
 */
const HEAD =
  /^(?<indent> *)(?:export )?(?:(?:private|static|override|async|get|set) )*(?:function\*? \w+|const \w+ = (?:async )?|\*?#?[a-z]\w*)(?:<.*>)?\(/;
const NO_FUNCTION = /^\s*(?:if|for|while|switch|catch|return|test|describe|super)\b/;

export function sizeViolations({ path, text }: SourceFile): Violation[] {
  if (isGenerated(path) || !/\.(ts|mjs|as)$/.test(path)) return [];
  const lines = linesOf(text);
  const found = longFunctions(linesOf(bareCode(text))).map(({ line, length }) => ({
    path,
    line,
    problem: `a function of ${length} lines`,
    remedy: `at most ${FUNCTION_LINES_MAX}: give a step of it a name of its own`,
  }));
  if (lines.length > FILE_LINES_MAX)
    found.unshift({
      path,
      line: lines.length,
      problem: `a file of ${lines.length} lines`,
      remedy: `at most ${FILE_LINES_MAX}: find the smaller concept in it and give that a file`,
    });
  return found;
}

/** A function ends at the first line with its own indentation that closes a brace. */
function longFunctions(lines: readonly string[]): { line: number; length: number }[] {
  return lines.flatMap((text, index) => {
    const indent = HEAD.exec(text)?.groups?.['indent'];
    if (indent === undefined || NO_FUNCTION.test(text) || /[;,]$/.test(text)) return [];
    const last = lines.findIndex((other, at) => at > index && other.startsWith(`${indent}}`));
    const next = lines.findIndex(
      (other, at) => at > index && /^ *[^\s})]/.test(other) && indentOf(other) <= indent.length,
    );
    if (last < 0 || (next >= 0 && next < last)) return [];
    const length = last - index + 1;
    return length > FUNCTION_LINES_MAX ? [{ line: index + 1, length }] : [];
  });
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}
