import { entryName } from '../../proto/rules/names.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { parseTargets } from '../target.ts';

export interface RollbackOptions {
  toRevision: bigint;
  reason?: string;
  dryRun?: boolean;
}

/** `logfleet rollback entry NAME --to-revision R` */
export async function rollback(
  api: ControllerApi,
  words: readonly string[],
  { toRevision: revision, reason = '', dryRun = false }: RollbackOptions,
  write: (text: string) => void,
): Promise<void> {
  const { kind, names } = parseTargets(words);
  const [name] = names;
  if (kind !== 'entry' || names.length !== 1 || !name) throw new CliError(exitCodes.usage, 'name one entry');
  const request = { name: entryName(name), revision, changeReason: reason, validateOnly: dryRun };
  const { etag } = await api.call((options) => api.entries.rollbackEntry(request, options));
  write(`entry/${name} rolled back to ${revision}${dryRun ? ' (dry run)' : `, its revision is ${etag}`}\n`);
}
