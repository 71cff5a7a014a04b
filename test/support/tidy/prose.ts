import { scanCode } from './scan-code.ts';
import { linesOf, type SourceFile } from './source-file.ts';

/** A line of a comment or of a document. `text` is the whole source line. */
export interface ProseLine {
  line: number;
  text: string;
}

/** The lines that hold comments, or all of a document but its tables and code blocks. */
export function proseLines(file: SourceFile): ProseLine[] {
  if (/\.(ts|mjs|as|proto)$/.test(file.path)) return commentLines(file.text);
  if (/\.md$/.test(file.path)) return documentLines(file.text);
  return numbered(file.text).filter(({ text }) => /(^|\s)#/.test(text));
}

function numbered(text: string): ProseLine[] {
  return linesOf(text).map((text, index) => ({ line: index + 1, text }));
}

function commentLines(text: string): ProseLine[] {
  const lines = new Set<number>();
  for (const { line, text: comment } of scanCode(text).filter(({ kind }) => kind === 'comment')) {
    for (let at = 0; at < comment.split('\n').length; at += 1) lines.add(line + at);
  }
  return numbered(text).filter(({ line }) => lines.has(line));
}

function documentLines(text: string): ProseLine[] {
  let fence: string | undefined;
  return numbered(text).filter((line) => {
    const mark = /^\s*(```+|~~~+)/.exec(line.text)?.[1];
    if (mark && fence === undefined) fence = mark;
    else if (mark?.startsWith(fence ?? mark)) fence = undefined;
    else return fence === undefined && !/^\s*\|/.test(line.text);
    return false;
  });
}
