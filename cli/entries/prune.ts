import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { EntryDocument } from '../../proto/rules/entry-document.ts';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { parseSelector } from '../../proto/rules/selector.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { listEntries } from '../rpc/lists.ts';

/** The flags that delete what the files lack. */
export interface PruneOptions {
  prune?: boolean;
  /** The labels of the entries that the files hold completely. */
  selector?: string;
}

/**
 * The selector to prune by; undefined without --prune. Throws CliError when only one of the flags
 * is given: pruning without a selector, from the wrong folder, would delete every entry.
 */
export function pruneSelector({ prune, selector }: PruneOptions): string | undefined {
  if (!prune && selector === undefined) return undefined;
  if (!prune) throw new CliError(exitCodes.usage, '--selector is for --prune: it says which entries may be deleted');
  if (!selector) throw new CliError(exitCodes.usage, '--prune needs -l: the labels of the entries that may be deleted');
  return selector;
}

/** Reports documents that the selector does not match: they would be created, but never pruned. */
export function selectorViolations(
  documents: readonly EntryDocument[],
  selector: string | undefined,
): FieldViolation[] {
  if (selector === undefined) return [];
  const { matches } = parseSelector(selector);
  const description = `${JSON.stringify(selector)} does not match them: with --prune it must match every entry`;
  return documents
    .filter(({ entry }) => !matches(entry.labels))
    .map(({ where }) => ({ field: `${where}: labels`, description }));
}

/**
 * The stored entries that match the selector and are not among `wanted`, the names in the files.
 */
export async function entriesToPrune(
  api: ControllerApi,
  labelSelector: string | undefined,
  wanted: readonly string[],
): Promise<Entry[]> {
  if (labelSelector === undefined) return [];
  const names = new Set(wanted);
  return (await listEntries(api, { labelSelector })).filter(({ name }) => !names.has(name));
}
