// Writes docs/entries.md: a part of `npm run generate`.
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { entriesPage } from '../proto/reference/entries-page.ts';

export const entriesPageFile = join(dirname(fileURLToPath(import.meta.url)), '..', 'docs', 'entries.md');

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(entriesPageFile, entriesPage());
