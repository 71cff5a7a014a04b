import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { EntryWrite } from '../../proto/gen/logfleet/v1/entry_service.ts';
import type { EntryDocument } from '../../proto/rules/entry-document.ts';
import { withEntryDefaults } from '../../proto/rules/entry-rules.ts';
import { parseSelector } from '../../proto/rules/selector.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { problemsOf, readEntries, refuse } from '../entry-files.ts';
import { entryText } from '../entry-text.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { findEntries, listEntries } from '../rpc/lists.ts';
import { checkedSelector } from '../selector-option.ts';
import { unmatchedSelectors } from '../unmatched-selectors.ts';

export interface ApplyOptions {
  filename: string[];
  /** Delete the entries whose labels match and that the files don't have. */
  prune?: boolean;
  selector?: string;
  dryRun?: boolean;
  reason?: string;
}

/** What one entry's line says. */
type Outcome = 'created' | 'configured' | 'unchanged' | 'pruned';

/** `logfleet apply -f FILE`: all of it at one revision, or nothing. */
export async function apply(api: ControllerApi, options: ApplyOptions, write: (text: string) => void): Promise<void> {
  const selector = pruneSelector(options);
  const documents = await readEntries(options.filename);
  refuse('nothing was applied', [...problemsOf(documents), ...(selector ? strayDocuments(documents, selector) : [])]);
  for (const line of await unmatchedSelectors(api, entriesOf(documents))) process.stderr.write(line);
  const names = documents.map(({ entry }) => entry.name);
  const present = await findEntries(api, names);
  const changed = documents.filter(({ entry }) => !isSame(present.get(entry.name), entry));
  const pruned = selector === undefined ? [] : await unwanted(api, selector, names);
  const outcomes = new Map<string, Outcome>(names.map((name) => [name, 'unchanged']));
  if (changed.length + pruned.length > 0) {
    const writes = [...changed.map(({ entry }) => update(entry)), ...pruned.map(deletion)];
    const fields = [...changed.map(({ where }) => where), ...pruned.map(({ name }) => name)];
    const { results } = await send(api, writes, fields, options);
    for (const { change, entry } of results) outcomes.set(entry?.name ?? '', outcomeOf(change));
  }
  const dry = options.dryRun ? ' (dry run)' : '';
  for (const [name, outcome] of outcomes) write(`entry/${name.replace(/^entries\//, '')} ${outcome}${dry}\n`);
}

/** The entries of files, all of which must be right. */
export async function entriesIn(files: readonly string[]): Promise<Entry[]> {
  const documents = await readEntries(files);
  refuse('nothing was asked', problemsOf(documents));
  return entriesOf(documents);
}

/** `logfleet delete -f FILE`: the names in the files, whatever else is in them. */
export async function namesIn(files: readonly string[]): Promise<string[]> {
  const documents = await readEntries(files);
  refuse(
    'nothing was deleted',
    problemsOf(documents).filter(({ field }) => field.endsWith(': name')),
  );
  return documents.map(({ entry }) => entry.name.replace(/^entries\//, ''));
}

function entriesOf(documents: readonly EntryDocument[]): Entry[] {
  return documents.map(({ entry }) => entry);
}

/** Nothing is pruned that is not asked for by a label: a wrong folder would delete all that there is. */
function pruneSelector({ prune, selector }: ApplyOptions): string | undefined {
  if (!prune && selector === undefined) return undefined;
  if (!prune)
    throw new CliError(exitCodes.usage, '--selector goes with --prune: it says which entries the files are all of');
  if (!selector)
    throw new CliError(exitCodes.usage, '--prune needs -l: the labels of the entries that the files are all of');
  return checkedSelector(selector);
}

/** An entry that the selector does not mean would be made, and never be pruned. */
function strayDocuments(documents: readonly EntryDocument[], selector: string) {
  const { matches } = parseSelector(selector);
  const strays = documents.filter(({ entry }) => !matches(entry.labels));
  const description = `${JSON.stringify(selector)} does not match them: with --prune it must match all that is applied`;
  return strays.map(({ where }) => ({ field: `${where}: labels`, description }));
}

async function unwanted(api: ControllerApi, labelSelector: string, wanted: readonly string[]): Promise<Entry[]> {
  const names = new Set(wanted);
  return (await listEntries(api, { labelSelector })).filter(({ name }) => !names.has(name));
}

function isSame(present: Entry | undefined, entry: Entry): boolean {
  return present !== undefined && entryText(present) === entryText(withEntryDefaults(entry));
}

function update(entry: Entry): EntryWrite {
  // The controller asked may be some milliseconds behind another, at which the entry has just been made.
  const value = { entry, updateMask: ['*'], allowMissing: true, changeReason: '', validateOnly: false };
  return { write: { $case: 'update', value } };
}

function deletion({ name, etag }: Entry): EntryWrite {
  return { write: { $case: 'delete', value: { name, etag, changeReason: '', validateOnly: false } } };
}

async function send(
  api: ControllerApi,
  writes: EntryWrite[],
  places: readonly string[],
  { reason = '', dryRun = false }: ApplyOptions,
) {
  const request = { writes, changeReason: reason, validateOnly: dryRun };
  try {
    return await api.call((options) => api.entries.batchApply(request, options));
  } catch (error) {
    if (!(error instanceof CliError) || error.violations.length === 0) throw error;
    // The controller's rules are newer than ours: what it names by number the user knows by file and line.
    const violations = error.violations.map(({ field, description }) => ({
      field: field.replace(/^writes\[(\d+)\]\.\w+\.(?:entry\.)?/, (_, index) => `${places[Number(index)]}: `),
      description,
    }));
    throw new CliError(error.exitCode, error.message, { cause: error.cause, violations });
  }
}

function outcomeOf(change: string): Outcome {
  if (change === 'CHANGE_CREATED') return 'created';
  return change === 'CHANGE_DELETED' ? 'pruned' : 'configured';
}
