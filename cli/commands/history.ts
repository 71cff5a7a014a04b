import { Command } from 'commander';
import { entryName } from '../../proto/rules/names.ts';
import { renderList } from '../kinds/render.ts';
import { parseOneTarget } from '../kinds/target.ts';
import { versionView } from '../kinds/versions.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { listVersions } from '../rpc/lists.ts';
import { KindArgument, nameArgument, outputOption } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';

interface HistoryOptions {
  output: 'table' | 'json' | 'yaml';
}

/** `logfleet history entry NAME` */
export function historyCommand({ withApi, write }: CommandContext): Command {
  const command = new Command('history')
    .addArgument(new KindArgument('<kind>', ['entry']))
    .addArgument(nameArgument('[name]'))
    .addOption(outputOption(['table', 'json', 'yaml'], 'table'))
    .action((kind: string, name: string | undefined, options: HistoryOptions) => {
      const words = [kind, name].filter((word) => word !== undefined);
      return withApi((api) => history(api, words, options, write));
    });
  return withHelp(command, {
    summary: 'list the versions of an entry, newest first',
    details: [
      'Each version shows who made the change, when and why. Deleted entries have a history, too. A question mark after an author means that the name was not verified by a certificate.',
    ],
    examples: [
      ['List the versions of an entry', 'logfleet history entry nginx-access'],
      ['Show the content of each version', 'logfleet history entry nginx-access -o json'],
    ],
  });
}

async function history(
  api: ControllerApi,
  words: readonly string[],
  { output }: HistoryOptions,
  write: (text: string) => void,
): Promise<void> {
  const { name } = parseOneTarget(words, ['entry']);
  write(renderList(versionView, await listVersions(api, entryName(name)), output));
}
