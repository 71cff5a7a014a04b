import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { type EntryDocument, entryDocuments, markDuplicateNames } from '../../proto/rules/entry-document.ts';
import { ENTRY_BYTES_MAX, entryBytes } from '../../proto/rules/entry-rules.ts';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { errorText } from '../../runtime/errors.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import { inputName, readInput } from './read-input.ts';

/**
 * Reads the entries of files, folders, and standard input (`-`). Rejects with CliError when there
 * are none or a file is not YAML.
 */
export async function readEntries(files: readonly string[]): Promise<EntryDocument[]> {
  const documents: EntryDocument[] = [];
  for (const file of await expand(files)) documents.push(...parse(await readInput(file), inputName(file)));
  if (documents.length === 0) throw new CliError(exitCodes.usage, `no entries in ${files.join(', ')}`);
  return markDuplicateNames(documents);
}

/** Everything that is wrong with the documents, with file and line. */
export function documentViolations(documents: readonly EntryDocument[]): FieldViolation[] {
  return documents.flatMap(({ entry, where, violations }) => {
    const bytes = entryBytes(entry);
    const size = { field: 'entry', description: `has ${bytes} bytes: at most ${ENTRY_BYTES_MAX}` };
    const all = bytes > ENTRY_BYTES_MAX ? [...violations, size] : violations;
    return all.map(({ field, description }) => ({ field: `${where}: ${field}`, description }));
  });
}

/**
 * Throws CliError when there are violations. `outcome` says what was not done: `nothing was
 * applied`.
 */
export function throwIfInvalid(outcome: string, violations: readonly FieldViolation[]): void {
  if (violations.length > 0) throw new CliError(exitCodes.usage, `${outcome}: the input is invalid`, { violations });
}

/** Reads entries, all of which must be valid. */
export async function readValidEntries(files: readonly string[], outcome: string): Promise<Entry[]> {
  const documents = await readEntries(files);
  throwIfInvalid(outcome, documentViolations(documents));
  return documents.map(({ entry }) => entry);
}

/** Replaces folders by the YAML and JSON files in them. */
async function expand(files: readonly string[]): Promise<string[]> {
  const expanded: string[] = [];
  for (const file of files) {
    const isFolder = file !== '-' && (await stat(file).catch(() => undefined))?.isDirectory();
    if (!isFolder) expanded.push(file);
    else {
      const names = (await namesIn(file)).filter((name) => /\.(ya?ml|json)$/.test(name)).sort();
      expanded.push(...names.map((name) => join(file, name)));
    }
  }
  return expanded;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    throw new CliError(exitCodes.usage, `can't read ${folder}: ${errorText(error)}`, { cause: error });
  }
}

function parse(content: string, name: string): EntryDocument[] {
  try {
    return entryDocuments(content, name);
  } catch (error) {
    throw new CliError(exitCodes.usage, errorText(error), { cause: error });
  }
}
