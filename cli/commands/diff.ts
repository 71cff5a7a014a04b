import { Command } from 'commander';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { EntryVersion } from '../../proto/gen/logfleet/v1/entry_version.ts';
import { etagRevision } from '../../proto/rules/etag.ts';
import { entryName } from '../../proto/rules/names.ts';
import { documentViolations, readEntries, throwIfInvalid } from '../entries/entry-files.ts';
import { entryText } from '../entries/entry-text.ts';
import { mergeEntry } from '../entries/merge.ts';
import { entriesToPrune, type PruneOptions, pruneSelector, selectorViolations } from '../entries/prune.ts';
import { unifiedDiff } from '../entries/unified-diff.ts';
import { parseTarget } from '../kinds/target.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { findEntries, listVersions } from '../rpc/lists.ts';
import { filenameOption, KindArgument, nameArgument, selectorOption } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';

interface DiffOptions extends PruneOptions {
  filename?: string[];
  revision?: string;
  to?: string;
}

const MISSING = { label: '/dev/null', text: '' };

/** `logfleet diff -f FILE`, or `logfleet diff entry NAME --revision A [--to B]` */
export function diffCommand({ withApi, write }: CommandContext): Command {
  const command = new Command('diff')
    .addArgument(new KindArgument('[kind]', ['entry']))
    .addArgument(nameArgument('[name]'))
    .addOption(filenameOption())
    .option('--prune', 'with -f: show what apply --prune would delete')
    .addOption(selectorOption('with --prune: the labels of the entries that may be deleted'))
    .option('--revision <revision>', 'the version to compare from')
    .option('--to <revision>', 'the version to compare to (default: the latest)')
    .action((kind: string | undefined, name: string | undefined, options: DiffOptions) => {
      const words = [kind, name].filter((word) => word !== undefined);
      return withApi((api) => diff(api, words, options, write));
    });
  return withHelp(command, {
    summary: 'compare files with the stored entries, or two versions of an entry',
    examples: [
      ['Show what apply would change', 'logfleet diff -f entries/'],
      ['Show also what apply --prune would delete', 'logfleet diff -f entries/ --prune -l managed-by=git'],
      ['Compare a version of an entry with the latest', 'logfleet diff entry nginx-access --revision 4711'],
      ['Compare two versions of an entry', 'logfleet diff entry nginx-access --revision 4711 --to 4802'],
    ],
    exitCodes: [
      [0, 'no differences'],
      [1, 'differences were found'],
      [2, 'the comparison failed'],
      [3, 'the controller is unreachable'],
    ],
  });
}

async function diff(
  api: ControllerApi,
  words: readonly string[],
  options: DiffOptions,
  write: (text: string) => void,
): Promise<void> {
  const text = await differences(api, words, options).catch((error: unknown) => {
    // Exit code 1 is taken: it means that differences were found, as with kubectl.
    if (!(error instanceof CliError) || error.exitCode !== exitCodes.refused) throw error;
    throw new CliError(exitCodes.usage, error.message, { cause: error.cause, violations: error.violations });
  });
  if (text === '') return;
  write(text);
  throw new CliError(exitCodes.refused, '');
}

async function differences(api: ControllerApi, words: readonly string[], options: DiffOptions): Promise<string> {
  const { filename, revision, to } = options;
  const selector = pruneSelector(options);
  if (filename) {
    if (words.length > 0 || revision !== undefined || to !== undefined)
      throw new CliError(exitCodes.usage, 'give files with -f, or an entry and its revisions, but not both');
    return await compareFiles(api, filename, selector);
  }
  if (selector !== undefined) throw new CliError(exitCodes.usage, '--prune is for files: give them with -f');
  const { names } = parseTarget(words.length > 0 ? words : ['entry'], ['entry']);
  const [name] = names;
  if (names.length !== 1 || !name || revision === undefined)
    throw new CliError(exitCodes.usage, 'give files with -f, or an entry and --revision; see logfleet history');
  return await compareVersions(api, name, { from: revision, to });
}

async function compareFiles(
  api: ControllerApi,
  files: readonly string[],
  selector: string | undefined,
): Promise<string> {
  const documents = await readEntries(files);
  const violations = [...documentViolations(documents), ...selectorViolations(documents, selector)];
  throwIfInvalid('nothing was compared', violations);
  const names = documents.map(({ entry }) => entry.name);
  const stored = await findEntries(api, names);
  const changes = documents.map((document) => {
    const present = stored.get(document.entry.name);
    return unifiedDiff(storedSide(present), { label: document.where, text: entryText(mergeEntry(present, document)) });
  });
  const pruned = await entriesToPrune(api, selector, names);
  return [...changes, ...pruned.map((entry) => unifiedDiff(storedSide(entry), MISSING))].join('');
}

function storedSide(stored: Entry | undefined) {
  return stored
    ? { label: `${stored.name} at revision ${etagRevision(stored.etag)}`, text: entryText(stored) }
    : MISSING;
}

async function compareVersions(
  api: ControllerApi,
  name: string,
  { from, to }: { from: string; to: string | undefined },
): Promise<string> {
  const versions = await listVersions(api, entryName(name));
  const find = (revision: string) => {
    const version = versions.find((each) => String(each.revision) === revision);
    if (version) return version;
    const text = `entry/${name} has no version with revision ${revision}: see logfleet history entry ${name}`;
    throw new CliError(exitCodes.usage, text);
  };
  return unifiedDiff(versionSide(find(from)), versionSide(to === undefined ? versions[0] : find(to)));
}

/** The version of a deletion holds the entry as it was before; afterwards there is none. */
function versionSide(version: EntryVersion | undefined) {
  if (!version?.entry) return MISSING;
  const label = `${version.name} at revision ${version.revision}`;
  return version.change === 'CHANGE_DELETED'
    ? { label: `${label}, deleted`, text: '' }
    : { label, text: entryText(version.entry) };
}
