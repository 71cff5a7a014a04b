import { randomBytes } from 'node:crypto';
import type { RewindTarget, Rewound } from '../../proto/gen/logfleet/v1/ask.ts';
import { agentName, entryName } from '../../proto/rules/names.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { size } from '../format.ts';
import { Failures, tellAsked } from '../rpc/asked.ts';
import type { ControllerApi } from '../rpc/client.ts';

export interface RewindOptions {
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
  timeoutMs: number;
}

/** Of one agent, in the table; the others are counted. */
const FILES_SHOWN_MAX = 20;

/** `logfleet rewind entry NAME --since 10m` */
export async function rewind(
  api: ControllerApi,
  name: string,
  options: RewindOptions,
  write: (text: string) => void,
): Promise<void> {
  const { selector: labelSelector, agent: id, path: paths = [], dryRun = false, timeoutMs } = options;
  const { replayId = randomBytes(8).toString('hex'), allowUnmarked = false, reason = '' } = options;
  const request = {
    ...{ name: entryName(name), labelSelector, agent: id ? agentName(id) : '', target: targetOf(options) },
    ...{ paths, dryRun, allowUnmarked, replayId, reason, timeoutMs },
  };
  const failures = new Failures();
  const sum = { generations: 0, failed: 0 };
  for await (const { asked, agent, rewound, error } of api.follow(api.fleet.rewindEntry(request))) {
    if (asked) tellAsked(asked, `entry ${name}${labelSelector === '' ? '' : ` and ${labelSelector}`}`);
    if (error) failures.tell(agent, error);
    if (!rewound) continue;
    failures.answered();
    sum.generations += rewound.generations;
    sum.failed += rewound.failed;
    const onAgent = agent.replace(/^agents\//, '');
    tellFailed(onAgent, rewound);
    write(textOf(`entry/${name}`, onAgent, rewound, { dryRun, replayId }));
  }
  failures.conclude(dryRun ? 'do not tell' : 'send nothing once more; ask again with the same --replay-id');
  if (sum.generations === 0 && sum.failed > 0) throw new CliError(exitCodes.refused, 'nothing is sent once more');
}

function textOf(
  entry: string,
  agent: string,
  { generations, bytes, files, known }: Rewound,
  { dryRun, replayId }: { dryRun: boolean; replayId: string },
): string {
  const sent = files.filter(({ error }) => error === '');
  const lines = sent
    .slice(0, FILES_SHOWN_MAX)
    .map(({ path, generation, start, end }) => `  ${path} ${generation} from ${start} to ${end}\n`);
  const more = generations - lines.length;
  if (more > 0) lines.push(`  … and ${more} more\n`);
  const what = `${generations === 1 ? '1 generation' : `${generations} generations`}, ${size(bytes)}`;
  const how = dryRun ? '(dry run)' : `${known ? 'already ' : ''}as replay ${replayId}`;
  return `${entry} rewound on ${agent}: ${what} ${how}\n${lines.join('')}`;
}

function tellFailed(agent: string, { failed, files }: Rewound): void {
  const told = files.filter(({ error }) => error !== '').slice(0, FILES_SHOWN_MAX);
  for (const { path, generation, error } of told)
    process.stderr.write(`warning: ${agent}: ${path} ${generation} is not sent once more: ${error}\n`);
  if (failed > told.length) process.stderr.write(`warning: ${agent}: … and ${failed - told.length} more\n`);
}

/** Throws CliError unless exactly one is given. */
function targetOf({ toBeginning, toPosition, generation, toTime, since }: RewindOptions): RewindTarget {
  const given = [toBeginning, toPosition, toTime, since].filter((option) => option !== undefined);
  if (given.length !== 1)
    throw new CliError(exitCodes.usage, 'give one of --to-beginning, --to-position, --to-time and --since');
  if ((toPosition === undefined) !== (generation === undefined))
    throw new CliError(exitCodes.usage, '--to-position and --generation go together');
  if (toPosition !== undefined && generation !== undefined)
    return { from: { $case: 'position', value: { generation, position: positionOf(toPosition) } } };
  if (since !== undefined) return { from: { $case: 'sinceMs', value: BigInt(Math.round(since)) } };
  if (toTime !== undefined) return { from: { $case: 'time', value: timeOf(toTime) } };
  return { from: { $case: 'beginning', value: true } };
}

function positionOf(text: string): bigint {
  if (!/^\d{1,15}$/.test(text))
    throw new CliError(exitCodes.usage, `--to-position: ${JSON.stringify(text)} is no position`);
  return BigInt(text);
}

function timeOf(text: string): Date {
  const time = new Date(text);
  if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(time.getTime())) return time;
  const description = `${JSON.stringify(text)}: give a time such as 2026-11-26T10:00:00Z`;
  throw new CliError(exitCodes.usage, `--to-time: ${description}`);
}
