import { Command } from 'commander';
import { agentName } from '../../proto/rules/names.ts';
import { parseOneTarget } from '../kinds/target.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import { writeToStdout } from '../output/messages.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { KindArgument, nameArgument } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';

/** `logfleet diagnostics agent NAME > bundle.tar.gz` */
export function diagnosticsCommand({ withApi, timeoutMs }: CommandContext): Command {
  const command = new Command('diagnostics')
    .addArgument(new KindArgument('<kind>', ['agent']))
    .addArgument(nameArgument('[name...]'))
    .action((kind: string, names: string[]) =>
      withApi((api) => diagnostics(api, parseOneTarget([kind, ...names], ['agent']).name, timeoutMs())),
    );
  return withHelp(command, {
    summary: "fetch a bundle with an agent's internal state",
    details: ['The bundle is a .tar.gz file on standard output. It contains no secrets and no log lines.'],
    examples: [['Save the bundle of an agent', 'logfleet diagnostics agent web-17 > web-17.tar.gz']],
  });
}

async function diagnostics(api: ControllerApi, name: string, timeoutMs: number): Promise<void> {
  if (process.stdout.isTTY) {
    const text = `the bundle is binary: redirect it, as in logfleet diagnostics agent ${name} > ${name}.tar.gz`;
    throw new CliError(exitCodes.usage, text);
  }
  const request = { name: agentName(name), timeoutMs };
  for await (const { data } of api.follow(api.fleet.getDiagnostics(request))) await writeToStdout(data);
}
