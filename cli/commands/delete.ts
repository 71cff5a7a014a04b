import { Command } from 'commander';
import { entryName, shortEntryName } from '../../proto/rules/names.ts';
import { documentViolations, readEntries, throwIfInvalid } from '../entries/entry-files.ts';
import { forEachName } from '../kinds/for-each-name.ts';
import { parseTarget, type Target } from '../kinds/target.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { dryRunOption, filenameOption, KindArgument, namesArgument, reasonOption } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';
import { forgetAgents } from './forget.ts';

const KINDS = ['entry', 'agent'] as const;

interface DeleteOptions {
  filename?: string[];
  reason?: string;
  dryRun?: boolean;
}

/** `logfleet delete entry|agent NAME…`, `logfleet delete -f FILE` */
export function deleteCommand({ withApi, write }: CommandContext): Command {
  const command = new Command('delete')
    .addArgument(new KindArgument('[kind]', KINDS))
    .addArgument(namesArgument())
    .addOption(filenameOption())
    .addOption(dryRunOption())
    .addOption(reasonOption())
    .action((kind: string | undefined, names: string[], options: DeleteOptions) =>
      withApi(async (api) => {
        const target = await targetOf(kind, names, options);
        if (target.kind === 'agent') await forgetAgents(api, target.names, 'deleted', write);
        else await deleteEntries(api, target.names, options, write);
      }),
    );
  return withHelp(command, {
    summary: 'delete entries, or forget agents that are gone',
    details: [
      'Agents stop collecting a deleted entry. logfleet rollback restores it: agents continue where they stopped.',
      'For agents it does the same as logfleet forget.',
    ],
    examples: [
      ['Delete an entry', 'logfleet delete entry nginx-access'],
      ['Check which entries of a file would be deleted', 'logfleet delete -f entry.yaml --dry-run'],
    ],
  });
}

async function targetOf(
  kind: string | undefined,
  words: string[],
  { filename }: DeleteOptions,
): Promise<Target<(typeof KINDS)[number]>> {
  if (filename && kind !== undefined) throw new CliError(exitCodes.usage, 'give names, or files with -f, but not both');
  if (filename) return { kind: 'entry', names: await namesIn(filename) };
  const target = parseTarget([kind ?? '', ...words], KINDS);
  if (target.names.length === 0) throw new CliError(exitCodes.usage, `name the ${target.kind} to delete`);
  return target;
}

/** The names in the files. Other fields are not read, so they may be invalid. */
async function namesIn(files: readonly string[]): Promise<string[]> {
  const documents = await readEntries(files);
  const violations = documentViolations(documents).filter(({ field }) => field.endsWith(': name'));
  throwIfInvalid('nothing was deleted', violations);
  return documents.map(({ entry }) => shortEntryName(entry.name));
}

async function deleteEntries(
  api: ControllerApi,
  names: readonly string[],
  { reason: changeReason = '', dryRun: validateOnly = false }: DeleteOptions,
  write: (text: string) => void,
): Promise<void> {
  await forEachName(names, async (name) => {
    const request = { name: entryName(name), changeReason, validateOnly };
    await api.call((options) => api.entries.deleteEntry(request, options));
    write(`entry/${name} deleted${validateOnly ? ' (dry run)' : ''}\n`);
  });
}
