import { Command } from 'commander';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { EntryWrite } from '../../proto/gen/logfleet/v1/entry_service.ts';
import type { RolloutPlan } from '../../proto/gen/logfleet/v1/rollout.ts';
import type { EntryDocument } from '../../proto/rules/entry-document.ts';
import { differingFields } from '../../proto/rules/entry-fields.ts';
import { shortEntryName } from '../../proto/rules/names.ts';
import { documentViolations, readEntries, throwIfInvalid } from '../entries/entry-files.ts';
import { type Revision, warnOfForeignFields } from '../entries/field-origins.ts';
import { warnOfFiles } from '../entries/file-warnings.ts';
import { mergeEntry } from '../entries/merge.ts';
import { entriesToPrune, type PruneOptions, pruneSelector, selectorViolations } from '../entries/prune.ts';
import { warnOfUnmatchedSelectors } from '../entries/unmatched-selectors.ts';
import { CliError } from '../output/cli-error.ts';
import { type PlanOptions, planOf } from '../rollouts/plan.ts';
import { warnOfUnmatchedSteps } from '../rollouts/unmatched-steps.ts';
import { waitForAll } from '../rollouts/wait.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { findEntries } from '../rpc/lists.ts';
import { dryRunOption, filenameOption, reasonOption, selectorOption } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';
import { addRolloutOptions } from './rollout-options.ts';

interface ApplyOptions extends PruneOptions, PlanOptions {
  filename: string[];
  dryRun?: boolean;
  reason?: string;
  wait?: boolean;
}

/** A document with the content fields that it changes in the stored entry. */
interface Change extends Revision {
  fields: string[];
}

const WAIT_TIMEOUT_MS = 300_000;

/** `logfleet apply -f FILE` */
export function applyCommand(context: CommandContext): Command {
  const command = new Command('apply')
    .addOption(filenameOption().makeOptionMandatory())
    .option('--prune', 'delete entries that -l matches and the files do not contain')
    .addOption(selectorOption('with --prune: the labels of the entries that may be deleted'))
    .addOption(dryRunOption())
    .addOption(reasonOption())
    .option('--wait', 'wait until every connected agent has applied the change, for --timeout (default: 5m)')
    .action((options: ApplyOptions) =>
      context.withApi((api) => {
        const waitMs = options.wait ? (context.givenTimeoutMs() ?? WAIT_TIMEOUT_MS) : undefined;
        return apply(api, options, { plan: planOf(options), waitMs }, context.write);
      }),
    );
  return withHelp(addRolloutOptions(command), {
    summary: 'create or update entries from files',
    details: [
      'All entries are written at one revision, or none is. Entries that are equal to the stored ones stay unchanged.',
      'Fields that a file does not name stay as they are: what logfleet pause or limit has set is kept, with a warning. A field without a value, such as "filter:", gets its default.',
      'With --rollout the change is applied in steps; see logfleet rollout.',
      'A selector or step that matches no agent is applied with a warning. Then the connected agents look for the files of the first 20 entries that are new or have other paths, selectors or topics, for 5 seconds at most. Paths that match no file on any agent that responded, and entries that send the same files to the same topic, get a warning. The exit code stays the same.',
    ],
    examples: [
      ['Apply the entries of a file', 'logfleet apply -f entry.yaml'],
      ['Apply the entries from standard input', 'cat entry.yaml | logfleet apply -f -'],
      ['Validate a folder of files', 'logfleet apply -f entries/ --dry-run'],
      [
        'Apply a folder and delete the entries that it no longer contains',
        'logfleet apply -f entries/ --prune -l managed-by=git --reason "release 12"',
      ],
      ['Wait until all connected agents have applied the change', 'logfleet apply -f entry.yaml --wait --timeout 2m'],
      [
        'Apply to 1 agent, then to 10 percent, then to all; undo on failure',
        'logfleet apply -f entry.yaml --rollout 1,10%,all --on-failure undo',
      ],
      ['Apply to the canary agents first', 'logfleet apply -f entry.yaml --rollout env=canary,all'],
    ],
  });
}

async function apply(
  api: ControllerApi,
  options: ApplyOptions,
  { plan, waitMs }: { plan: RolloutPlan | undefined; waitMs: number | undefined },
  write: (text: string) => void,
): Promise<void> {
  const selector = pruneSelector(options);
  const documents = await readEntries(options.filename);
  throwIfInvalid('nothing was applied', [...documentViolations(documents), ...selectorViolations(documents, selector)]);
  const entries = documents.map(({ entry }) => entry);
  await warnOfUnmatchedSelectors(api, entries);
  const names = entries.map(({ name }) => name);
  const stored = await findEntries(api, names);
  const revisions = documents.map((document) => revisionOf(document, stored.get(document.entry.name)));
  await warnOfForeignFields(api, revisions);
  const changed = revisions.filter(isChanged);
  if (plan) await warnOfUnmatchedSteps(api, plan, changed);
  const pruned = await entriesToPrune(api, selector, names);
  const outcomes = new Map(names.map((name) => [name, 'unchanged']));
  const etags = new Map([...stored].map(([name, { etag }]) => [name, etag]));
  if (changed.length + pruned.length > 0) {
    const writes = [...changed.map(({ document }) => updateOf(document, plan)), ...pruned.map(deletionOf)];
    const origins = [...changed.map(({ document: { where } }) => where), ...pruned.map(({ name }) => name)];
    const { results } = await send(api, writes, origins, options);
    for (const [index, { change, entry }] of results.entries()) {
      outcomes.set(entry?.name ?? '', outcomeOf(change, changed[index]?.fields));
      etags.set(entry?.name ?? '', entry?.etag ?? '');
    }
  }
  const dry = options.dryRun ? ' (dry run)' : '';
  for (const [name, outcome] of outcomes) write(`entry/${shortEntryName(name)} ${outcome}${dry}\n`);
  await warnOfFiles(api, changed, pruned);
  if (waitMs === undefined || options.dryRun) return;
  const targets = names.map((name) => ({ name, etag: etags.get(name) ?? '' }));
  await waitForAll(api, targets, waitMs, write);
}

function revisionOf(document: EntryDocument, stored: Entry | undefined): Change {
  const wanted = mergeEntry(stored, document);
  return { document, stored, wanted, fields: stored ? differingFields(stored, wanted) : [] };
}

function isChanged({ stored, fields }: Change): boolean {
  return stored === undefined || fields.length > 0;
}

function updateOf({ entry, namedFields: updateMask }: EntryDocument, rollout: RolloutPlan | undefined): EntryWrite {
  // allowMissing also for entries that exist: the controller may lag behind the one that created
  // them.
  const value = { entry, updateMask, allowMissing: true, changeReason: '', validateOnly: false, rollout };
  return { write: { $case: 'update', value } };
}

function deletionOf({ name, etag }: Entry): EntryWrite {
  return { write: { $case: 'delete', value: { name, etag, changeReason: '', validateOnly: false } } };
}

/** `origins` are the file and line of each write. */
async function send(
  api: ControllerApi,
  writes: EntryWrite[],
  origins: readonly string[],
  { reason = '', dryRun = false }: ApplyOptions,
) {
  const request = { writes, changeReason: reason, validateOnly: dryRun };
  try {
    return await api.call((options) => api.entries.batchApply(request, options));
  } catch (error) {
    if (!(error instanceof CliError) || error.violations.length === 0) throw error;
    // A newer controller has rules that this command lacks. It names writes by number, users know
    // them by file and line.
    const violations = error.violations.map(({ field, description }) => ({
      field: field.replace(/^writes\[(\d+)\]\.\w+\.(?:entry\.)?/, (_, index) => `${origins[Number(index)]}: `),
      description,
    }));
    throw new CliError(error.exitCode, error.message, { cause: error.cause, violations });
  }
}

/** `created`, `configured (topic, paused)`, `unchanged` or `pruned` */
function outcomeOf(change: string, fields: readonly string[] = []): string {
  if (change === 'CHANGE_CREATED') return 'created';
  if (change === 'CHANGE_UNSPECIFIED') return 'unchanged';
  if (change === 'CHANGE_DELETED') return 'pruned';
  return fields.length > 0 ? `configured (${fields.join(', ')})` : 'configured';
}
