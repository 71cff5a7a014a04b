import { entryName } from '../../proto/rules/names.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { Table } from '../format.ts';
import { renderList } from '../output.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { listVersions } from '../rpc/lists.ts';
import { parseTargets } from '../target.ts';
import { versionKind } from '../version-kind.ts';

/** `logfleet history entry NAME`: who changed it, when and why, the newest first. */
export async function history(
  api: ControllerApi,
  words: readonly string[],
  { output }: { output: 'table' | 'json' | 'yaml' },
  write: (text: string) => void,
): Promise<void> {
  const { kind, names } = parseTargets(words);
  const [name] = names;
  if (kind !== 'entry' || names.length !== 1 || !name)
    throw new CliError(exitCodes.usage, 'name one entry, such as logfleet history entry nginx-access');
  const versions = await listVersions(api, entryName(name));
  if (output === 'table') write(new Table(versionKind.columns).render(versions));
  else write(renderList(versionKind, versions, output));
}
