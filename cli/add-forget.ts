import type { Command } from 'commander';
import { CliError, exitCodes } from './cli-error.ts';
import { forget } from './commands/forget.ts';
import type { ControllerApi } from './rpc/client.ts';
import { parseTargets } from './target.ts';

const HELP = `
An agent that is gone is shown as it last was until it is forgotten: here, or by itself after the controllers' forget_agents_after.
Its alerts end. One that is connected is refused; one that comes back is a new one.

Examples:
  logfleet forget agent web-17
  logfleet get agents --liveness lost -o name | xargs logfleet forget
`;

/** `logfleet forget agent NAME…` */
export function addForget(
  program: Command,
  write: (text: string) => void,
  withApi: (body: (api: ControllerApi) => Promise<void>) => Promise<void>,
): void {
  program
    .command('forget <kind> [name...]')
    .description('remove agents that are gone for good from what is shown, and their alerts')
    .addHelpText('after', HELP)
    .action((kind: string, words: string[]) => {
      const { kind: what, names } = parseTargets([kind, ...words]);
      if (what !== 'agent') throw new CliError(exitCodes.usage, 'only agents can be forgotten');
      if (names.length === 0) throw new CliError(exitCodes.usage, 'name the agents');
      return withApi((api) => forget(api, names, 'forgotten', write));
    });
}
