import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { entryDocuments } from '../../proto/rules/entry-document.ts';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';

/**
 * A recipe of docs/entries.md: an entry, the lines of a file, and the records that the page shows
 * for them.
 */
export interface Recipe {
  title: string;
  entry: Entry;
  violations: readonly FieldViolation[];
  lines: readonly string[];
  records: readonly string[];
}

const PAGE = join(import.meta.dirname, '..', '..', 'docs', 'entries.md');

export function recipesOfPage(): Recipe[] {
  const [, recipes = ''] = readFileSync(PAGE, 'utf8').split('\n## Recipes\n');
  return recipes
    .split('\n### ')
    .slice(1)
    .map((section) => {
      const title = section.slice(0, section.indexOf('\n'));
      const documents = entryDocuments(codeBlock(section, 'yaml'), title);
      const [document] = documents;
      if (!document || documents.length > 1) throw new Error(`${title}: expected one entry`);
      const { entry, violations } = document;
      const lines = codeBlock(section, 'text').trimEnd().split('\n');
      return { title, entry, violations, lines, records: JSON.parse(codeBlock(section, 'json')) as string[] };
    });
}

function codeBlock(section: string, language: string): string {
  const [, block] = new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(section) ?? [];
  if (block === undefined) throw new Error(`a recipe has no block of ${language}: ${section.slice(0, 60)}`);
  return block;
}
