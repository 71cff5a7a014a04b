import { Argument, type Command, InvalidArgumentError } from 'commander';
import { type DrainOptions, drain } from './commands/drain.ts';
import { limit, parseBytes } from './commands/limit.ts';
import { type PauseOptions, pause } from './commands/pause.ts';
import type { ControllerApi } from './rpc/client.ts';

/** Files may be far behind. */
const DRAIN_TIMEOUT_MS = 600_000;

const PAUSE_HELP = `
Positions stay, and nothing is lost; deleted files stay open. It holds through restarts, of agents too, until it is resumed.

Examples:
  logfleet pause entry nginx-access                  on all agents
  logfleet pause entry nginx-access --agent web-17   on one agent
  logfleet pause agent web-17 --reason "disk is slow"
`;

const RESUME_HELP = `
An agent that is drained, or is being drained, goes on, too.

Examples:
  logfleet resume entry nginx-access
  logfleet resume entry nginx-access --agent web-17
  logfleet resume agent web-17
`;

const DRAIN_HELP = `
The agent delivers all that its files have, then it reads no more until it is resumed. What is left is told: last lines without an end, files of
paused entries, and what has been written since. A file that can't be read is waited for: pause its entry on that agent to leave it out.

Examples:
  logfleet drain agent web-17 --wait --timeout 10m && poweroff-host web-17
  logfleet resume agent web-17
`;

const LIMIT_HELP = `
How much is read in a second: of an entry on each of its agents, or of all entries on one agent. It is in force at once. What waits stays in the
files, shows as lag, and the entry is told to be limited. From 1KiB on; none lifts it.

Examples:
  logfleet limit entry nginx-access 1MiB
  logfleet limit agent web-17 5MiB --reason "until the link is mended"
  logfleet limit agent web-17 none
`;

/** The commands that set how agents go on: pause, resume, drain and limit. */
export function addSettings(
  program: Command,
  write: (text: string) => void,
  withApi: (body: (api: ControllerApi) => Promise<void>) => Promise<void>,
): void {
  for (const [command, paused, help] of [
    ['pause', true, PAUSE_HELP],
    ['resume', false, RESUME_HELP],
  ] as const) {
    program
      .command(`${command} <kind> [name...]`)
      .description(paused ? 'stop reading, and keep the positions' : 'go on reading where it was paused')
      .option('--agent <id>', 'of entries: only on this agent')
      .option('--reason <text>', 'why, for the history')
      .addHelpText('after', help)
      .action((kind: string, names: string[], options: PauseOptions) =>
        withApi((api) => pause(api, [kind, ...names], paused, options, write)),
      );
  }
  program
    .command('drain <kind> [name...]')
    .description('have an agent deliver all that it has and then read no more, so that its host can be switched off')
    .option('--wait', 'return when it is done, after --timeout at the latest (default: 10m)')
    .option('--reason <text>', 'why, for others to see')
    .addHelpText('after', DRAIN_HELP)
    .action((kind: string, names: string[], options: Omit<DrainOptions, 'timeoutMs'>) => {
      const isGiven = program.getOptionValueSource('timeout') !== 'default';
      const timeoutMs = isGiven ? program.opts<{ timeout: number }>().timeout : DRAIN_TIMEOUT_MS;
      return withApi((api) => drain(api, [kind, ...names], { ...options, timeoutMs }, write));
    });
  program
    .command('limit <kind> <name>')
    .description('limit how many bytes are read in a second')
    .addArgument(new Argument('<bytes>', 'such as 512KiB or 5MiB, or none').argParser(parseRate))
    .option('--reason <text>', 'why, for others to see')
    .addHelpText('after', LIMIT_HELP)
    .action((kind: string, name: string, bytes: bigint, options: { reason?: string }) =>
      withApi((api) => limit(api, [kind, name], bytes, options, write)),
    );
}

function parseRate(text: string): bigint {
  const bytes = parseBytes(text);
  if (bytes === undefined) throw new InvalidArgumentError('give bytes in a second, such as 512KiB or 5MiB, or none.');
  return bytes;
}
