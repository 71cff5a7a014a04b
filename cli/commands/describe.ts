import { Command } from 'commander';
import { forEachName } from '../kinds/for-each-name.ts';
import { kindNames, kinds } from '../kinds/kinds.ts';
import { parseTarget } from '../kinds/target.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { KindArgument, namesArgument } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';

const KINDS = kindNames.filter((name) => kinds[name].describe);

/** `logfleet describe entry|agent NAME…` */
export function describeCommand({ withApi, write }: CommandContext): Command {
  const command = new Command('describe')
    .addArgument(new KindArgument('<kind>', KINDS))
    .addArgument(namesArgument())
    .action((kind: string, names: string[]) => withApi((api) => describe(api, [kind, ...names], write)));
  return withHelp(command, {
    summary: 'show everything about an entry or an agent',
    examples: [
      ['Show an entry, its agents and their errors', 'logfleet describe entry nginx-access'],
      ['Show an agent with each of its files: position, lag and last error', 'logfleet describe agent web-17'],
    ],
  });
}

async function describe(api: ControllerApi, words: readonly string[], write: (text: string) => void): Promise<void> {
  const { kind, names } = parseTarget(words, KINDS);
  if (names.length === 0) throw new CliError(exitCodes.usage, `name the ${kind} to describe`);
  let separator = '';
  await forEachName(names, async (name) => {
    write(`${separator}${await kinds[kind].describe?.(api, name)}`);
    separator = '\n';
  });
}
