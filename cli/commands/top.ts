import { Argument, Command, Option } from 'commander';
import type { ControllerApi } from '../rpc/client.ts';
import { listAgents } from '../rpc/lists.ts';
import { liveView } from '../top/live-view.ts';
import { type Sort, sorts, type TopKind, tableOf, topKinds } from '../top/rows.ts';
import { agentSelectorOption, parseDurationArgument } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';

interface TopOptions {
  selector: string;
  sort: Sort;
  interval: number;
}

/** `logfleet top agents|entries` */
export function topCommand({ withApi, write }: CommandContext): Command {
  const command = new Command('top')
    .addArgument(new Argument('<kind>', 'what to show').choices(topKinds))
    .addOption(new Option('--sort <column>', 'sort, largest value first').choices(sorts).default('lag'))
    .addOption(agentSelectorOption())
    .addOption(
      new Option('--interval <duration>', 'time between updates').argParser(parseDurationArgument).default(2_000, '2s'),
    )
    .action((kind: TopKind, options: TopOptions) => withApi((api) => top(api, kind, options, write)));
  return withHelp(command, {
    summary: 'show lag and rates live, the furthest behind first',
    details: [
      'Keys: l sorts by lag, b by waiting time, r by rate, x by lost bytes, n by name; q quits. Without a terminal, one table is printed.',
    ],
    examples: [
      ['Show the agents that are furthest behind', 'logfleet top agents'],
      ['Show the entries whose lines wait longest', 'logfleet top entries --sort behind'],
      ['Show the busiest entries of some agents', 'logfleet top entries --sort rate -l env=prod'],
    ],
  });
}

async function top(
  api: ControllerApi,
  kind: TopKind,
  { selector: labelSelector, sort, interval }: TopOptions,
  write: (text: string) => void,
): Promise<void> {
  if (process.stdin.isTTY && process.stdout.isTTY) await liveView(api, kind, { labelSelector, sort, interval });
  else write(tableOf(kind, await listAgents(api, { labelSelector, includeFiles: false }), sort));
}
