import type { Entry } from '../proto/gen/logfleet/v1/entry.ts';
import type { EntryDocument } from '../proto/rules/entry-document.ts';
import { parseSelector } from '../proto/rules/selector.ts';
import { CliError, exitCodes } from './cli-error.ts';
import type { ControllerApi } from './rpc/client.ts';
import { listEntries } from './rpc/lists.ts';
import { checkedSelector } from './selector-option.ts';

/** What `--prune` goes with. */
export interface PruneOptions {
  /** The entries whose labels match and that the files don't have are to be deleted. */
  prune?: boolean;
  selector?: string;
}

/** Nothing is pruned that is not asked for by a label: a wrong folder would delete all that there is. */
export function pruneSelector({ prune, selector }: PruneOptions): string | undefined {
  if (!prune && selector === undefined) return undefined;
  if (!prune)
    throw new CliError(exitCodes.usage, '--selector goes with --prune: it says which entries the files are all of');
  if (!selector)
    throw new CliError(exitCodes.usage, '--prune needs -l: the labels of the entries that the files are all of');
  return checkedSelector(selector);
}

/** An entry that the selector does not mean would be made, and never be pruned. */
export function strayDocuments(documents: readonly EntryDocument[], selector: string | undefined) {
  if (selector === undefined) return [];
  const { matches } = parseSelector(selector);
  const strays = documents.filter(({ entry }) => !matches(entry.labels));
  const description = `${JSON.stringify(selector)} does not match them: with --prune it must match all that is applied`;
  return strays.map(({ where }) => ({ field: `${where}: labels`, description }));
}

/** What is to be deleted; `wanted` are the names in the files. */
export async function unwanted(
  api: ControllerApi,
  labelSelector: string | undefined,
  wanted: readonly string[],
): Promise<Entry[]> {
  if (labelSelector === undefined) return [];
  const names = new Set(wanted);
  return (await listEntries(api, { labelSelector })).filter(({ name }) => !names.has(name));
}
