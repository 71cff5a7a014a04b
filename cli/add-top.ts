import { Argument, type Command, Option } from 'commander';
import { type TopOptions, top } from './commands/top.ts';
import type { ControllerApi } from './rpc/client.ts';
import { sorts } from './top/rows.ts';

const HELP = `
Keys: l by lag, b by how long lines have been waiting, r by rate, x by what is lost, n by name; q ends it. Where there is no terminal, one table is printed.

Examples:
  logfleet top agents
  logfleet top entries --sort behind
  logfleet top entries --sort rate -l env=prod
  logfleet top agents | head
`;

/** `logfleet top agents|entries`. `parseDuration` reads a time such as 2s. */
export function addTop(
  program: Command,
  write: (text: string) => void,
  withApi: (body: (api: ControllerApi) => Promise<void>) => Promise<void>,
  parseDuration: (text: string) => number,
): void {
  program
    .command('top')
    .description('show who is furthest behind, and how fast it goes, as it changes')
    .addArgument(new Argument('<kind>', 'what').choices(['agents', 'entries']))
    .addOption(new Option('--sort <by>', 'what comes first').choices(sorts).default('lag'))
    .option('-l, --selector <selector>', 'only agents whose labels match')
    .addOption(
      new Option('--interval <duration>', 'how often it is drawn').argParser(parseDuration).default(2_000, '2s'),
    )
    .addHelpText('after', HELP)
    .action((kind: 'agents' | 'entries', options: TopOptions) => withApi((api) => top(api, kind, options, write)));
}
