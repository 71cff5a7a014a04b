import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { type EntryDocument, entryDocuments, entryToDocument, withoutTwins } from '../../proto/rules/entry-document.ts';
import { ENTRY_BYTES_MAX, entryBytes, withEntryDefaults } from '../../proto/rules/entry-rules.ts';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { errorText } from '../../runtime/errors.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { type ControllerApi, isNotFound } from '../rpc/client.ts';

const BY_SERVER = ['uid', 'etag', 'create_time', 'update_time', 'topic_status'];

/** `logfleet apply -f FILE`: writes nothing unless all of it is right. */
export async function apply(
  api: ControllerApi,
  files: readonly string[],
  write: (text: string) => void,
): Promise<void> {
  const documents = await readDocuments(files);
  refuse('nothing was applied', problemsOf(documents));
  for (const { entry } of documents) {
    const outcome = await applyOne(api, entry);
    write(`entry/${entry.name.replace(/^entries\//, '')} ${outcome}\n`);
  }
}

/** The entries of files, all of which must be right. */
export async function entriesIn(files: readonly string[]): Promise<Entry[]> {
  const documents = await readDocuments(files);
  refuse('nothing was asked', problemsOf(documents));
  return documents.map(({ entry }) => entry);
}

/** `logfleet delete -f FILE`: the names in the files, whatever else is in them. */
export async function namesIn(files: readonly string[]): Promise<string[]> {
  const documents = await readDocuments(files);
  refuse(
    'nothing was deleted',
    problemsOf(documents).filter(({ field }) => field.endsWith(': name')),
  );
  return documents.map(({ entry }) => entry.name.replace(/^entries\//, ''));
}

async function applyOne(api: ControllerApi, entry: Entry): Promise<'created' | 'configured' | 'unchanged'> {
  const present = await api
    .call((options) => api.entries.getEntry({ name: entry.name }, options))
    .catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
  if (present && sameContent(present, withEntryDefaults(entry))) return 'unchanged';
  // The controller asked may be some milliseconds behind another, at which the entry has just been made.
  const update = { entry, updateMask: ['*'], allowMissing: true };
  await api.call((options) => api.entries.updateEntry(update, options));
  return present ? 'configured' : 'created';
}

function sameContent(a: Entry, b: Entry): boolean {
  return content(a) === content(b);
}

function content(entry: Entry): string {
  const kept = Object.entries(entryToDocument(entry)).filter(([key]) => !BY_SERVER.includes(key));
  return JSON.stringify(
    kept.sort(([a], [b]) => (a < b ? -1 : 1)),
    sortedKeys,
  );
}

function sortedKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function readDocuments(files: readonly string[]): Promise<EntryDocument[]> {
  const documents: EntryDocument[] = [];
  for (const file of await expand(files))
    documents.push(...parse(await read(file), file === '-' ? 'standard input' : file));
  if (documents.length === 0) throw new CliError(exitCodes.usage, `no entries in ${files.join(', ')}`);
  return withoutTwins(documents);
}

function problemsOf(documents: readonly EntryDocument[]): FieldViolation[] {
  return documents.flatMap(({ entry, where, violations }) => {
    const bytes = entryBytes(entry);
    const size = { field: 'entry', description: `has ${bytes} bytes: at most ${ENTRY_BYTES_MAX}` };
    const all = bytes > ENTRY_BYTES_MAX ? [...violations, size] : violations;
    return all.map(({ field, description }) => ({ field: `${where}: ${field}`, description }));
  });
}

function refuse(outcome: string, problems: readonly FieldViolation[]): void {
  if (problems.length === 0) return;
  throw new CliError(exitCodes.usage, `${outcome}, for this is wrong:`, { violations: problems });
}

/** Folders stand for the YAML and JSON files in them. */
async function expand(files: readonly string[]): Promise<string[]> {
  const expanded: string[] = [];
  for (const file of files) {
    const isFolder = file !== '-' && (await stat(file).catch(() => undefined))?.isDirectory();
    if (!isFolder) expanded.push(file);
    else {
      const names = (await readdir(file)).filter((name) => /\.(ya?ml|json)$/.test(name)).sort();
      expanded.push(...names.map((name) => join(file, name)));
    }
  }
  return expanded;
}

async function read(file: string): Promise<string> {
  try {
    return file === '-' ? await text(process.stdin) : await readFile(file, 'utf8');
  } catch (error) {
    throw new CliError(exitCodes.usage, `can't read ${file}: ${errorText(error)}`, { cause: error });
  }
}

function parse(content: string, name: string): EntryDocument[] {
  try {
    return entryDocuments(content, name);
  } catch (error) {
    throw new CliError(exitCodes.usage, errorText(error), { cause: error });
  }
}
