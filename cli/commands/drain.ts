import { Command } from 'commander';
import type { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import { etagRevision } from '../../proto/rules/etag.ts';
import { agentName } from '../../proto/rules/names.ts';
import { systemClock } from '../../runtime/clock.ts';
import { formatByteSize } from '../../runtime/units.ts';
import { forEachName } from '../kinds/for-each-name.ts';
import { parseTarget } from '../kinds/target.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import { word } from '../output/format.ts';
import { type ControllerApi, isNotFound } from '../rpc/client.ts';
import { changeSettings, type SettingsOptions } from '../rpc/settings.ts';
import { allowMissingOption, KindArgument, namesArgument, reasonOption } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';

interface DrainOptions extends SettingsOptions {
  wait?: boolean;
}

type Write = (text: string) => void;

/** An agent may have a large backlog to deliver. */
const WAIT_TIMEOUT_MS = 600_000;
const POLL_INTERVAL_MS = 500;

/** `logfleet drain agent NAME…` */
export function drainCommand({ withApi, write, givenTimeoutMs }: CommandContext): Command {
  const command = new Command('drain')
    .addArgument(new KindArgument('<kind>', ['agent']))
    .addArgument(namesArgument())
    .option('--wait', 'wait until the agents are drained, for --timeout (default: 10m)')
    .addOption(reasonOption())
    .addOption(allowMissingOption().conflicts('wait'))
    .action((kind: string, names: string[], options: DrainOptions) => {
      const timeoutMs = givenTimeoutMs() ?? WAIT_TIMEOUT_MS;
      return withApi((api) => drain(api, [kind, ...names], { ...options, timeoutMs }, write));
    });
  return withHelp(command, {
    summary: 'deliver everything on an agent, then stop reading',
    details: [
      'Drain an agent before its host is shut down. The agent delivers what its files contain and reads nothing more until it is resumed. The output says what is left: unfinished last lines, files of paused entries, and lines written meanwhile.',
      'The drain waits for unreadable files. To skip such a file, pause its entry on that agent.',
    ],
    examples: [
      [
        'Drain an agent, then shut its host down',
        'logfleet drain agent web-17 --wait --timeout 10m && poweroff-host web-17',
      ],
      ['End the drain', 'logfleet resume agent web-17'],
    ],
  });
}

async function drain(
  api: ControllerApi,
  words: readonly string[],
  { wait, timeoutMs, ...options }: DrainOptions & { timeoutMs: number },
  write: Write,
): Promise<void> {
  const { names } = parseTarget(words, ['agent']);
  if (names.length === 0) throw new CliError(exitCodes.usage, 'name the agents to drain');
  const etags = new Map<string, string>();
  await forEachName(names, async (name) => {
    if (wait) await requireAgent(api, name);
    const { etag } = await changeSettings(api, name, () => ({ draining: true }), options);
    etags.set(name, etag);
    if (!wait) write(`agent/${name} draining\n`);
  });
  if (!wait) return;
  const deadlineMs = systemClock.monotonicMs() + timeoutMs;
  await forEachName(names, (name) =>
    waitUntilDrained(api, name, { etag: etags.get(name) ?? '', deadlineMs, timeoutMs }, write),
  );
}

/** An agent that never connected may have settings, but nothing to wait for. Throws CliError. */
async function requireAgent(api: ControllerApi, name: string): Promise<void> {
  try {
    await api.call((options) => api.fleet.getAgent({ name: agentName(name) }, options));
  } catch (error) {
    if (!isNotFound(error)) throw error;
    const remedy = 'check the id, or give --allow-missing instead of --wait';
    throw new CliError(exitCodes.refused, `there is no ${agentName(name)}: ${remedy}`, { cause: error });
  }
}

async function waitUntilDrained(
  api: ControllerApi,
  name: string,
  { etag, deadlineMs, timeoutMs }: { etag: string; deadlineMs: number; timeoutMs: number },
  write: Write,
): Promise<void> {
  for (let printed = ''; ; await systemClock.sleep(POLL_INTERVAL_MS)) {
    const agent = await api.call((options) => api.fleet.getAgent({ name: agentName(name) }, options));
    const { drain: status } = agent.health ?? {};
    if (hasApplied(agent, etag) && status?.state === 'STATE_DRAINED') {
      const left =
        status.leftBytes > 0n
          ? `, and ${formatByteSize(status.leftBytes)} left: see logfleet describe agent ${name}`
          : '';
      write(`agent/${name} drained${left}\n`);
      return;
    }
    const obstacle = obstacleOf(agent, etag);
    if (systemClock.monotonicMs() > deadlineMs)
      throw new CliError(exitCodes.refused, `agent/${name} is not drained after ${timeoutMs / 1_000} s: ${obstacle}`);
    if (obstacle !== printed) process.stderr.write(`agent/${name}: ${obstacle}\n`);
    printed = obstacle;
  }
}

/** What the drain waits for. */
function obstacleOf({ health, liveness, error, capabilities }: Agent, etag: string): string {
  if (liveness !== 'LIVENESS_LIVE') return `the agent is ${word(liveness).toLowerCase()}`;
  if (error !== '') return error;
  if (capabilities.length > 0 && !capabilities.includes('settings'))
    return 'the version of the agent does not support drains: upgrade it';
  if (!hasApplied({ health }, etag)) return 'the agent has not applied the drain yet, or has been resumed';
  if (!health?.drain) return 'the agent has been resumed';
  return health.drain.waitingFor || 'waiting for its report';
}

/** Compares by order, because other writers may have changed the settings since. */
function hasApplied({ health }: Pick<Agent, 'health'>, etag: string): boolean {
  return BigInt(etagRevision(health?.settingsEtag ?? '')) >= BigInt(etagRevision(etag));
}
