import { randomBytes } from 'node:crypto';
import { Command, Option } from 'commander';
import type { RewindTarget, Rewound } from '../../proto/gen/logfleet/v1/ask.ts';
import { agentName, entryName, shortAgentName } from '../../proto/rules/names.ts';
import { formatByteSize } from '../../runtime/units.ts';
import { parseOneTarget } from '../kinds/target.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import { printWarning } from '../output/messages.ts';
import { AgentOutcomes, warnOfUnreachedAgents } from '../rpc/agent-responses.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { agentSelectorOption, KindArgument, nameArgument, parseDurationArgument } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';

interface RewindOptions {
  toBeginning?: boolean;
  toPosition?: string;
  generation?: string;
  toTime?: string;
  since?: number;
  selector: string;
  agent?: string;
  path?: string[];
  dryRun?: boolean;
  allowUnmarked?: boolean;
  replayId?: string;
  reason?: string;
}

/** Files printed for one agent; further ones are counted. */
const FILES_SHOWN_MAX = 20;

/** `logfleet rewind entry NAME --since 10m` */
export function rewindCommand({ withApi, write, timeoutMs }: CommandContext): Command {
  const command = new Command('rewind')
    .addArgument(new KindArgument('<kind>', ['entry']))
    .addArgument(nameArgument('[name...]'))
    .option('--to-beginning', 'from the beginning of each file')
    .option('--to-position <position>', 'from a byte position of one generation')
    .option('--generation <id>', 'with --to-position: the generation of the file')
    .option('--to-time <time>', 'from where agents were at a time, such as 2026-11-26T10:00:00Z')
    .addOption(
      new Option('--since <duration>', 'from where agents were this long ago').argParser(parseDurationArgument),
    )
    .addOption(agentSelectorOption())
    .option('--agent <id>', 'only this agent')
    .option('--path <glob...>', 'only files whose paths match')
    .option('--dry-run', 'show what would be sent, and send nothing')
    .option('--allow-unmarked', 'permit entries with "headers: none", whose records do not show that they are replayed')
    .option('--replay-id <id>', 'an id of your own: an agent executes the same id once (default: random)')
    .option('--reason <text>', "why, for the agents' logs")
    .action((kind: string, names: string[], options: RewindOptions) => {
      const { name } = parseOneTarget([kind, ...names], ['entry']);
      return withApi((api) => rewind(api, name, { ...options, timeoutMs: timeoutMs() }, write));
    });
  return withHelp(command, {
    summary: 'send lines of an entry to Kafka again, marked as a replay',
    details: [
      'Each line in the range is sent once more with the header logfleet.replay. New lines continue beside the replay. Files that no longer exist are reported.',
      'For a time, a file starts where the agent was then. Files found later start at their beginning; files last changed before it are skipped. A position inside a line means the beginning of the line.',
    ],
    examples: [
      ['Show what the last ten minutes would send', 'logfleet rewind entry nginx-access --since 10m --dry-run'],
      [
        'Send a day again from some agents',
        'logfleet rewind entry nginx-access --to-time 2026-11-26T00:00:00Z -l env=prod',
      ],
      [
        'Send some files of one agent from the beginning',
        'logfleet rewind entry nginx --to-beginning --agent web-17 --path "/srv/*"',
      ],
      ['Send one file from a position', 'logfleet rewind entry nginx --to-position 4711 --generation 0f3a5c7e9b1d2f48'],
    ],
  });
}

async function rewind(
  api: ControllerApi,
  name: string,
  options: RewindOptions & { timeoutMs: number },
  write: (text: string) => void,
): Promise<void> {
  const { selector: labelSelector, agent: id, path: paths = [], dryRun = false, timeoutMs } = options;
  const { replayId = randomBytes(8).toString('hex'), allowUnmarked = false, reason = '' } = options;
  const request = {
    ...{ name: entryName(name), labelSelector, agent: id ? agentName(id) : '', target: targetOf(options) },
    ...{ paths, dryRun, allowUnmarked, replayId, reason, timeoutMs },
  };
  const outcomes = new AgentOutcomes();
  const total = { generations: 0, failed: 0 };
  for await (const { asked, agent, rewound, error } of api.follow(api.fleet.rewindEntry(request))) {
    if (asked) warnOfUnreachedAgents(asked, `entry ${name}`, labelSelector);
    if (error) outcomes.addFailure(agent, error);
    if (!rewound) continue;
    outcomes.addResponse();
    total.generations += rewound.generations;
    total.failed += rewound.failed;
    const shortAgent = shortAgentName(agent);
    warnOfSkippedFiles(shortAgent, rewound);
    write(textOf(`entry/${name}`, shortAgent, rewound, { dryRun, replayId }));
  }
  outcomes.throwIfFailed(dryRun ? 'did not respond' : 'replay nothing; try again with the same --replay-id');
  if (total.generations === 0 && total.failed > 0) throw new CliError(exitCodes.refused, 'nothing is replayed');
}

function textOf(
  entry: string,
  agent: string,
  { generations, bytes, files, known }: Rewound,
  { dryRun, replayId }: { dryRun: boolean; replayId: string },
): string {
  const replayed = files.filter(({ error }) => error === '');
  const lines = replayed
    .slice(0, FILES_SHOWN_MAX)
    .map(({ path, generation, start, end }) => `  ${path} ${generation} from ${start} to ${end}\n`);
  const more = generations - lines.length;
  if (more > 0) lines.push(`  … and ${more} more\n`);
  const amount = `${generations === 1 ? '1 generation' : `${generations} generations`}, ${formatByteSize(bytes)}`;
  const suffix = dryRun ? '(dry run)' : `${known ? 'already ' : ''}as replay ${replayId}`;
  return `${entry} rewound on ${agent}: ${amount} ${suffix}\n${lines.join('')}`;
}

function warnOfSkippedFiles(agent: string, { failed, files }: Rewound): void {
  const shown = files.filter(({ error }) => error !== '').slice(0, FILES_SHOWN_MAX);
  for (const { path, generation, error } of shown)
    printWarning(`${agent}: ${path} ${generation} is not replayed: ${error}`);
  if (failed > shown.length) printWarning(`${agent}: … and ${failed - shown.length} more`);
}

/** Throws CliError unless exactly one target is given. */
function targetOf({ toBeginning, toPosition, generation, toTime, since }: RewindOptions): RewindTarget {
  const given = [toBeginning, toPosition, toTime, since].filter((option) => option !== undefined);
  if (given.length !== 1)
    throw new CliError(exitCodes.usage, 'give one of --to-beginning, --to-position, --to-time and --since');
  if ((toPosition === undefined) !== (generation === undefined))
    throw new CliError(exitCodes.usage, 'give --to-position and --generation together');
  if (toPosition !== undefined && generation !== undefined)
    return { from: { $case: 'position', value: { generation, position: parsePosition(toPosition) } } };
  if (since !== undefined) return { from: { $case: 'sinceMs', value: BigInt(since) } };
  if (toTime !== undefined) return { from: { $case: 'time', value: parseTime(toTime) } };
  return { from: { $case: 'beginning', value: true } };
}

function parsePosition(text: string): bigint {
  if (/^\d{1,15}$/.test(text)) return BigInt(text);
  throw new CliError(exitCodes.usage, `--to-position: ${JSON.stringify(text)} is not a position: give a byte offset`);
}

function parseTime(text: string): Date {
  const time = new Date(text);
  if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(time.getTime())) return time;
  const problem = `${JSON.stringify(text)} is not a time: give one such as 2026-11-26T10:00:00Z`;
  throw new CliError(exitCodes.usage, `--to-time: ${problem}`);
}
