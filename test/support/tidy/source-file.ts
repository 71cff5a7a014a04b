/** A tracked text file. The path is relative to the repository's root. */
export interface SourceFile {
  path: string;
  text: string;
}

/** One place where a file breaks a rule. Lines count from 1. */
export interface Violation {
  path: string;
  line: number;
  problem: string;
  remedy: string;
}

export function isGenerated(path: string): boolean {
  return /(^|\/)gen\//.test(path);
}

export function isCode(path: string): boolean {
  return /\.(ts|mjs)$/.test(path);
}

/** The number of lines before `index`, plus one. */
export function lineAt(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < index; at = text.indexOf('\n', at + 1)) line += 1;
  return line;
}

export function linesOf(text: string): string[] {
  return text.replace(/\n$/, '').split('\n');
}
