import { proseLines } from './prose.ts';
import { isGenerated, type SourceFile, type Violation } from './source-file.ts';

/**
 * Prose is read, not scanned: a wider line is hard to follow from its end to the next one's start.
 */
const PROSE_COLUMNS_MAX = 100;

/**
 * What may stand before the first word: indentation, and the signs of comments, lists and quotes.
 */
const MARGIN = /^\s*(?:(?:\/\/|\/?\*\*?|#+|[-+>·]|\d+\.)\s*)*/;

export function widthViolations(file: SourceFile): Violation[] {
  if (isGenerated(file.path)) return [];
  return proseLines(file)
    .filter(({ text }) => [...text].length > PROSE_COLUMNS_MAX && canBeWrapped(text))
    .map(({ line, text }) => ({
      path: file.path,
      line,
      problem: `prose of ${[...text].length} columns`,
      remedy: `wrap it at ${PROSE_COLUMNS_MAX}`,
    }));
}

/** A single long word, such as a link, can't be wrapped. */
function canBeWrapped(text: string): boolean {
  return /\s/.test(text.replace(MARGIN, '').trim());
}
