import { lineAt } from './source-file.ts';

/** A comment or a string literal with its delimiters, and the line that it begins on. */
export interface Token {
  kind: 'comment' | 'string';
  text: string;
  index: number;
  line: number;
}

const COMMENT = String.raw`\/\/[^\n]*|\/\*[\s\S]*?\*\/`;
const STRING = String.raw`'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|${'`(?:\\\\[\\s\\S]|[^`\\\\])*`'}`;
/**
 * A slash after an operator, an opening bracket or a line's start begins a pattern; any other one
 * divides.
 */
const PATTERN = String.raw`(?<=[(,=:[!&|?{};>\n]\s*|return )\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/`;
const TOKEN = new RegExp(`(?<comment>${COMMENT})|(?<string>${STRING})|${PATTERN}`, 'g');

/**
 * The comments and strings of TypeScript, JavaScript, AssemblyScript and Protocol Buffers. It needs
 * no compiler. A template inside a template is taken for two strings and code between them.
 */
export function scanCode(text: string): Token[] {
  return [...text.matchAll(TOKEN)].flatMap(({ 0: match, index, groups }) => {
    if (!groups?.['comment'] && !groups?.['string']) return [];
    return [{ kind: groups['comment'] ? 'comment' : 'string', text: match, index, line: lineAt(text, index) }];
  });
}

/** The code with its comments and strings blanked out; lines and columns stay. */
export function bareCode(text: string): string {
  let code = '';
  for (const token of scanCode(text)) code += text.slice(code.length, token.index) + token.text.replace(/[^\n]/g, ' ');
  return code + text.slice(code.length);
}
