import { Argument, Command, Option } from 'commander';
import { agentName } from '../../proto/rules/names.ts';
import { parseOneTarget } from '../kinds/target.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import { AgentOutcomes } from '../rpc/agent-responses.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { KindArgument, nameArgument, parseDurationArgument } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';

/** `logfleet loglevel agent NAME LEVEL` */
export function loglevelCommand({ withApi, write, timeoutMs }: CommandContext): Command {
  const command = new Command('loglevel')
    .addArgument(new KindArgument('<kind>', ['agent']))
    .addArgument(nameArgument('<name>'))
    .addArgument(new Argument('[level]', 'log level').choices(['debug', 'info', 'warn', 'error']))
    .addOption(
      new Option('--for <duration>', 'restore the configured level after this time').argParser(parseDurationArgument),
    )
    .action((kind: string, second: string, third: string | undefined, options: { for?: number }) => {
      // In `agent/web-17 debug` the second word is the level.
      const [words, level] = third === undefined ? [[kind], second] : [[kind, second], third];
      const request = { level, forMs: options.for ?? 0, timeoutMs: timeoutMs() };
      return withApi((api) => setLogLevel(api, parseOneTarget(words, ['agent']).name, request, write));
    });
  return withHelp(command, {
    summary: 'set the log level of an agent',
    details: ['Without --for the level lasts until the agent restarts.'],
    examples: [['Log details for ten minutes', 'logfleet loglevel agent web-17 debug --for 10m']],
  });
}

async function setLogLevel(
  api: ControllerApi,
  name: string,
  { level, forMs, timeoutMs }: { level: string; forMs: number; timeoutMs: number },
  write: (text: string) => void,
): Promise<void> {
  const outcomes = new AgentOutcomes();
  const request = { name: agentName(name), level, forMs: BigInt(forMs), timeoutMs };
  for await (const { asked, error, logLevel } of api.follow(api.fleet.setLogLevel(request))) {
    if (asked?.asked === 0) throw new CliError(exitCodes.unreachable, `agent/${name} is not connected`);
    if (error) outcomes.addFailure(name, error);
    if (!logLevel) continue;
    outcomes.addResponse();
    const until = forMs > 0 ? `, ${logLevel.configured} again in ${forMs / 1000} s` : ', until the agent is restarted';
    write(`agent/${name} logs ${logLevel.level} (was ${logLevel.former})${until}\n`);
  }
  outcomes.throwIfFailed('have not changed their level');
}
