import { diff } from 'node:util';

/** Unchanged lines shown around a change. */
const CONTEXT_LINES = 3;

type Line = readonly [sign: ' ' | '-' | '+', text: string];

/** The differences as `diff -u` prints them; empty when the texts are equal. */
export function unifiedDiff(from: { label: string; text: string }, to: { label: string; text: string }): string {
  if (from.text === to.text) return '';
  const lines = compare(linesOf(from.text), linesOf(to.text));
  return `--- ${from.label}\n+++ ${to.label}\n${hunksOf(lines).map(renderHunk).join('')}`;
}

/** Node's diff marks what only `from` has with 1, and what only `to` has with -1. */
function compare(from: readonly string[], to: readonly string[]): Line[] {
  return diff(from, to).map(([operation, text]) => [operation === 0 ? ' ' : operation === 1 ? '-' : '+', text]);
}

interface Hunk {
  fromLine: number;
  toLine: number;
  lines: Line[];
}

function hunksOf(lines: readonly Line[]): Hunk[] {
  const hunks: Hunk[] = [];
  let [fromLine, toLine] = [1, 1];
  let open: Hunk | undefined;
  for (const [index, line] of lines.entries()) {
    const near = lines
      .slice(Math.max(0, index - CONTEXT_LINES), index + CONTEXT_LINES + 1)
      .some(([sign]) => sign !== ' ');
    if (near && !open) {
      open = { fromLine, toLine, lines: [] };
      hunks.push(open);
    }
    if (near) open?.lines.push(line);
    else open = undefined;
    if (line[0] !== '+') fromLine++;
    if (line[0] !== '-') toLine++;
  }
  return hunks;
}

function renderHunk({ fromLine, toLine, lines }: Hunk): string {
  const from = rangeOf(fromLine, lines.filter(([sign]) => sign !== '+').length);
  const to = rangeOf(toLine, lines.filter(([sign]) => sign !== '-').length);
  return `@@ -${from} +${to} @@\n${lines.map(([sign, text]) => `${sign}${text}\n`).join('')}`;
}

/** By POSIX one line has no count, and an empty range names the line before it. */
function rangeOf(line: number, count: number): string {
  if (count === 0) return `${line - 1},0`;
  return count === 1 ? String(line) : `${line},${count}`;
}

function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}
