import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { EntryWrite } from '../../proto/gen/logfleet/v1/entry_service.ts';
import type { RolloutPlan } from '../../proto/gen/logfleet/v1/rollout.ts';
import type { EntryDocument } from '../../proto/rules/entry-document.ts';
import { withEntryDefaults } from '../../proto/rules/entry-rules.ts';
import { CliError } from '../cli-error.ts';
import { problemsOf, readEntries, refuse } from '../entry-files.ts';
import { entryText } from '../entry-text.ts';
import { type PruneOptions, pruneSelector, strayDocuments, unwanted } from '../prune.ts';
import { waitForAll } from '../rollout/wait.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { findEntries } from '../rpc/lists.ts';
import { unmatchedSelectors } from '../unmatched-selectors.ts';

export interface ApplyOptions extends PruneOptions {
  filename: string[];
  dryRun?: boolean;
  reason?: string;
  /** How what has changed goes out; undefined: to all agents at once. */
  plan?: RolloutPlan | undefined;
  /** Wait until all agents have applied it, for so long at most. */
  waitMs?: number | undefined;
}

/** What one entry's line says. */
type Outcome = 'created' | 'configured' | 'unchanged' | 'pruned';

/** `logfleet apply -f FILE`: all of it at one revision, or nothing. */
export async function apply(api: ControllerApi, options: ApplyOptions, write: (text: string) => void): Promise<void> {
  const selector = pruneSelector(options);
  const documents = await readEntries(options.filename);
  refuse('nothing was applied', [...problemsOf(documents), ...strayDocuments(documents, selector)]);
  for (const line of await unmatchedSelectors(
    api,
    documents.map(({ entry }) => entry),
  ))
    process.stderr.write(line);
  const names = documents.map(({ entry }) => entry.name);
  const present = await findEntries(api, names);
  const changed = documents.filter(({ entry }) => !isSame(present.get(entry.name), entry));
  const pruned = await unwanted(api, selector, names);
  const outcomes = new Map<string, Outcome>(names.map((name) => [name, 'unchanged']));
  const etags = new Map([...present].map(([name, { etag }]) => [name, etag]));
  if (changed.length + pruned.length > 0) {
    const writes = [...changed.map(({ entry }) => update(entry, options.plan)), ...pruned.map(deletion)];
    const fields = [...changed.map(({ where }) => where), ...pruned.map(({ name }) => name)];
    const { results } = await send(api, writes, fields, options);
    for (const { change, entry } of results) {
      outcomes.set(entry?.name ?? '', outcomeOf(change));
      etags.set(entry?.name ?? '', entry?.etag ?? '');
    }
  }
  const dry = options.dryRun ? ' (dry run)' : '';
  for (const [name, outcome] of outcomes) write(`entry/${name.replace(/^entries\//, '')} ${outcome}${dry}\n`);
  if (options.waitMs === undefined || options.dryRun) return;
  const targets = names.map((name) => ({ name, etag: etags.get(name) ?? '' }));
  await waitForAll(api, targets, options.waitMs, write);
}

/** The entries of files, all of which must be right. */
export async function entriesIn(files: readonly string[]): Promise<Entry[]> {
  const documents = await readEntries(files);
  refuse('nothing was asked', problemsOf(documents));
  return entriesOf(documents);
}

function entriesOf(documents: readonly EntryDocument[]): Entry[] {
  return documents.map(({ entry }) => entry);
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

function isSame(present: Entry | undefined, entry: Entry): boolean {
  return present !== undefined && entryText(present) === entryText(withEntryDefaults(entry));
}

function update(entry: Entry, rollout: RolloutPlan | undefined): EntryWrite {
  // The controller asked may be some milliseconds behind another, at which the entry has just been made.
  const value = { entry, updateMask: ['*'], allowMissing: true, changeReason: '', validateOnly: false, rollout };
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
