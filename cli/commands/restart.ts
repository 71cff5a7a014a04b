import { Command } from 'commander';
import { entryName, shortAgentName } from '../../proto/rules/names.ts';
import { parseOneTarget } from '../kinds/target.ts';
import { AgentOutcomes, warnOfUnreachedAgents } from '../rpc/agent-responses.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { agentSelectorOption, KindArgument, nameArgument } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';

/** `logfleet restart entry NAME` */
export function restartCommand({ withApi, write, timeoutMs }: CommandContext): Command {
  const command = new Command('restart')
    .addArgument(new KindArgument('<kind>', ['entry']))
    .addArgument(nameArgument('[name...]'))
    .addOption(agentSelectorOption())
    .action((kind: string, names: string[], options: { selector: string }) => {
      const { name } = parseOneTarget([kind, ...names], ['entry']);
      return withApi((api) => restart(api, name, { ...options, timeoutMs: timeoutMs() }, write));
    });
  return withHelp(command, {
    summary: 'stop and start an entry on its agents',
    details: ['No line is lost or duplicated.'],
    examples: [
      ['Restart an entry on all agents', 'logfleet restart entry nginx-access'],
      ['Restart an entry on one agent', 'logfleet restart entry nginx-access -l agent=web-17'],
    ],
  });
}

async function restart(
  api: ControllerApi,
  name: string,
  { selector: labelSelector, timeoutMs }: { selector: string; timeoutMs: number },
  write: (text: string) => void,
): Promise<void> {
  const outcomes = new AgentOutcomes();
  const request = { name: entryName(name), labelSelector, timeoutMs };
  for await (const { asked, agent, restarted, error } of api.follow(api.fleet.restartEntry(request))) {
    if (asked) warnOfUnreachedAgents(asked, `entry ${name}`, labelSelector);
    if (error) outcomes.addFailure(agent, error);
    if (!restarted) continue;
    outcomes.addResponse();
    write(`entry/${name} restarted on ${shortAgentName(agent)}, ${restarted.files} files\n`);
  }
  outcomes.throwIfFailed('have not restarted it');
}
