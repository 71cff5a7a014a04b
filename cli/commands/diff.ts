import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { EntryVersion } from '../../proto/gen/logfleet/v1/entry_version.ts';
import { withEntryDefaults } from '../../proto/rules/entry-rules.ts';
import { entryName } from '../../proto/rules/names.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { problemsOf, readEntries, refuse } from '../entry-files.ts';
import { entryText } from '../entry-text.ts';
import { type PruneOptions, pruneSelector, strayDocuments, unwanted } from '../prune.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { findEntries, listVersions } from '../rpc/lists.ts';
import { parseTargets } from '../target.ts';
import { unifiedDiff } from '../unified-diff.ts';

export interface DiffOptions extends PruneOptions {
  filename?: string[];
  revision?: string;
  to?: string;
}

const NOTHING = { label: '/dev/null', text: '' };

/** `logfleet diff -f FILE`, or `logfleet diff entry NAME --revision A [--to B]`. Exit code 1 when there is a difference, as with kubectl. */
export async function diff(
  api: ControllerApi,
  words: readonly string[],
  options: DiffOptions,
  write: (text: string) => void,
): Promise<void> {
  const text = await differences(api, words, options).catch((error: unknown) => {
    // 1 says that there is a difference.
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
      throw new CliError(exitCodes.usage, 'give files, or an entry and its revisions');
    return await ofFiles(api, filename, selector);
  }
  if (selector !== undefined) throw new CliError(exitCodes.usage, '--prune goes with files: give them with -f');
  const { kind, names } = parseTargets(words.length > 0 ? words : ['entry']);
  const [name] = names;
  if (kind !== 'entry' || names.length !== 1 || !name || revision === undefined)
    throw new CliError(exitCodes.usage, 'give files with -f, or an entry and a --revision of its history');
  return await ofVersions(api, name, { from: revision, to });
}

async function ofFiles(api: ControllerApi, files: readonly string[], selector: string | undefined): Promise<string> {
  const documents = await readEntries(files);
  refuse('nothing was compared', [...problemsOf(documents), ...strayDocuments(documents, selector)]);
  const names = documents.map(({ entry }) => entry.name);
  const present = await findEntries(api, names);
  const parts = documents.map(({ entry, where }) =>
    unifiedDiff(sideOf(present.get(entry.name)), { label: where, text: entryText(withEntryDefaults(entry)) }),
  );
  const pruned = await unwanted(api, selector, names);
  return [...parts, ...pruned.map((entry) => unifiedDiff(sideOf(entry), NOTHING))].join('');
}

function sideOf(stored: Entry | undefined) {
  return stored ? { label: `${stored.name} at revision ${stored.etag}`, text: entryText(stored) } : NOTHING;
}

async function ofVersions(
  api: ControllerApi,
  name: string,
  asked: { from: string; to: string | undefined },
): Promise<string> {
  const versions = await listVersions(api, entryName(name));
  const side = (version: EntryVersion | undefined) => {
    if (!version?.entry) return NOTHING;
    const label = `${version.name} at revision ${version.revision}`;
    // A deletion's entry is what it was; what it became is nothing.
    return version.change === 'CHANGE_DELETED'
      ? { label: `${label}, deleted`, text: '' }
      : { label, text: entryText(version.entry) };
  };
  const find = (revision: string) => {
    const version = versions.find((one) => String(one.revision) === revision);
    if (!version)
      throw new CliError(exitCodes.usage, `entry/${name} has no version of revision ${revision}: see logfleet history`);
    return version;
  };
  return unifiedDiff(side(find(asked.from)), side(asked.to === undefined ? versions[0] : find(asked.to)));
}
