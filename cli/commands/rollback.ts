import { Command, Option } from 'commander';
import { etagRevision } from '../../proto/rules/etag.ts';
import { entryName } from '../../proto/rules/names.ts';
import { rollbackWarnings } from '../entries/field-origins.ts';
import { parseOneTarget } from '../kinds/target.ts';
import { printWarning } from '../output/messages.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { listVersions } from '../rpc/lists.ts';
import { dryRunOption, KindArgument, nameArgument, parseRevisionArgument, reasonOption } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';

interface RollbackOptions {
  toRevision: bigint;
  reason?: string;
  dryRun?: boolean;
}

/** `logfleet rollback entry NAME --to-revision R` */
export function rollbackCommand({ withApi, write }: CommandContext): Command {
  const revision = new Option('--to-revision <revision>', 'the version to restore; see logfleet history');
  const command = new Command('rollback')
    .addArgument(new KindArgument('<kind>', ['entry']))
    .addArgument(nameArgument('[name]'))
    .addOption(revision.argParser(parseRevisionArgument).makeOptionMandatory())
    .addOption(reasonOption())
    .addOption(dryRunOption())
    .action((kind: string, name: string | undefined, options: RollbackOptions) => {
      const words = [kind, name].filter((word) => word !== undefined);
      return withApi((api) => rollback(api, words, options, write));
    });
  return withHelp(command, {
    summary: 'restore an earlier version of an entry',
    details: [
      'A deleted entry is restored with its identity: agents continue where they stopped.',
      'What logfleet pause or limit has set, and the restored version does not have, is kept, with a warning. To lift it, use logfleet resume, or logfleet limit with none.',
    ],
    examples: [
      ['Restore a version', 'logfleet rollback entry nginx-access --to-revision 4711 --reason "noise"'],
      ['Validate a rollback', 'logfleet rollback entry nginx-access --to-revision 4711 --dry-run'],
    ],
  });
}

async function rollback(
  api: ControllerApi,
  words: readonly string[],
  { toRevision: revision, reason = '', dryRun = false }: RollbackOptions,
  write: (text: string) => void,
): Promise<void> {
  const { name } = parseOneTarget(words, ['entry']);
  const request = { name: entryName(name), revision, changeReason: reason };
  const send = (validateOnly: boolean) =>
    api.call((options) => api.entries.rollbackEntry({ ...request, validateOnly }, options));
  const wanted = await send(true);
  const versions = await listVersions(api, request.name);
  for (const warning of rollbackWarnings(wanted, revision, versions)) printWarning(warning);
  const { etag } = dryRun ? wanted : await send(false);
  write(
    `entry/${name} rolled back to ${revision}${dryRun ? ' (dry run)' : `, its revision is ${etagRevision(etag)}`}\n`,
  );
}
