import { Command } from 'commander';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { EntryWrite } from '../../proto/gen/logfleet/v1/entry_service.ts';
import type { RolloutPlan } from '../../proto/gen/logfleet/v1/rollout.ts';
import { withEntryDefaults } from '../../proto/rules/entry-rules.ts';
import { shortEntryName } from '../../proto/rules/names.ts';
import { documentViolations, readEntries, throwIfInvalid } from '../entries/entry-files.ts';
import { entryText } from '../entries/entry-text.ts';
import { entriesToPrune, type PruneOptions, pruneSelector, selectorViolations } from '../entries/prune.ts';
import { warnOfUnmatchedSelectors } from '../entries/unmatched-selectors.ts';
import { CliError } from '../output/cli-error.ts';
import { type PlanOptions, planOf } from '../rollouts/plan.ts';
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

/** The word printed for an entry. */
type Outcome = 'created' | 'configured' | 'unchanged' | 'pruned';

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
      'With --rollout the change is applied in steps; see logfleet rollout. A selector that matches no agent is applied with a warning.',
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
  const changed = documents.filter(({ entry }) => !isSame(stored.get(entry.name), entry));
  const pruned = await entriesToPrune(api, selector, names);
  const outcomes = new Map<string, Outcome>(names.map((name) => [name, 'unchanged']));
  const etags = new Map([...stored].map(([name, { etag }]) => [name, etag]));
  if (changed.length + pruned.length > 0) {
    const writes = [...changed.map(({ entry }) => updateOf(entry, plan)), ...pruned.map(deletionOf)];
    const origins = [...changed.map(({ where }) => where), ...pruned.map(({ name }) => name)];
    const { results } = await send(api, writes, origins, options);
    for (const { change, entry } of results) {
      outcomes.set(entry?.name ?? '', outcomeOf(change));
      etags.set(entry?.name ?? '', entry?.etag ?? '');
    }
  }
  const dry = options.dryRun ? ' (dry run)' : '';
  for (const [name, outcome] of outcomes) write(`entry/${shortEntryName(name)} ${outcome}${dry}\n`);
  if (waitMs === undefined || options.dryRun) return;
  const targets = names.map((name) => ({ name, etag: etags.get(name) ?? '' }));
  await waitForAll(api, targets, waitMs, write);
}

function isSame(stored: Entry | undefined, entry: Entry): boolean {
  return stored !== undefined && entryText(stored) === entryText(withEntryDefaults(entry));
}

function updateOf(entry: Entry, rollout: RolloutPlan | undefined): EntryWrite {
  // allowMissing also for entries that exist: the controller may lag behind the one that created
  // them.
  const value = { entry, updateMask: ['*'], allowMissing: true, changeReason: '', validateOnly: false, rollout };
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

function outcomeOf(change: string): Outcome {
  if (change === 'CHANGE_CREATED') return 'created';
  if (change === 'CHANGE_UNSPECIFIED') return 'unchanged';
  return change === 'CHANGE_DELETED' ? 'pruned' : 'configured';
}
