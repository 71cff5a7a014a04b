import { Command } from 'commander';
import { agentName } from '../../proto/rules/names.ts';
import { forEachName } from '../kinds/for-each-name.ts';
import { parseTarget } from '../kinds/target.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { KindArgument, namesArgument } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';

/** `logfleet forget agent NAME…` */
export function forgetCommand({ withApi, write }: CommandContext): Command {
  const command = new Command('forget')
    .addArgument(new KindArgument('<kind>', ['agent']))
    .addArgument(namesArgument())
    .action((kind: string, words: string[]) => {
      const { names } = parseTarget([kind, ...words], ['agent']);
      if (names.length === 0) throw new CliError(exitCodes.usage, 'name the agents to forget');
      return withApi((api) => forgetAgents(api, names, 'forgotten', write));
    });
  return withHelp(command, {
    summary: 'remove agents that are gone for good, and their alerts',
    details: [
      'A lost agent is shown with its last report until it is forgotten, here or by the controllers after forget_agents_after. A connected agent is refused. An agent that connects again is a new one.',
    ],
    examples: [
      ['Forget an agent', 'logfleet forget agent web-17'],
      ['Forget all lost agents', 'logfleet get agents --liveness lost -o name | xargs logfleet forget'],
    ],
  });
}

/** Forgets the agents; `outcome` is the word printed for each. */
export function forgetAgents(
  api: ControllerApi,
  names: readonly string[],
  outcome: 'forgotten' | 'deleted',
  write: (text: string) => void,
): Promise<void> {
  return forEachName(names, async (name) => {
    await api.call((options) => api.fleet.forgetAgent({ name: agentName(name) }, options));
    write(`agent/${name} ${outcome}\n`);
  });
}
