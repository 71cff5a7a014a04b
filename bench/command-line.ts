import { parseArgs } from 'node:util';
import { TOOL_NAMES } from './tools/find-tools.ts';
import { workloads } from './workloads/list.ts';
import type { Workload } from './workloads/workload.ts';

export const HELP = `Measures logfleet beside every other collector on this machine, in alternating rounds.
Writes bench/RESULTS.md and bench/results/.

Usage: npm run bench [-- WORKLOAD… | quick | build-peers] [options]

  WORKLOAD…          what to measure (--list names them); default: all, about 25 minutes
  quick              under a minute: compares logfleet's share of kcat's speed with the recorded
                     one, and fails only far below it
  build-peers        builds the OpenTelemetry Collector, grpcurl, ghz and etcdctl into .cache/
                     (once; needs Go)

Options:
  --tools NAME,…     only these: ${TOOL_NAMES.join(', ')}
  --filebeat PATH    Filebeat's binary (or the variable FILEBEAT)
  --rounds N         rounds that count (default: each workload's own)
  --mib N            size of the input in MiB (default: each workload's own)
  --agents N         agents of the fleet (default: 10,000)
  --seconds N        how long steady workloads are measured, or the broker is away
                     (default: each workload's own)
  --out FOLDER       the folder of RESULTS.md and results/ (default: bench)
  --record           with quick: record the measured ratios
  --list             name the workloads

Examples:
  npm run bench -- backlog --tools logfleet-lean,kcat --rounds 7
  npm run bench -- delay idle --tools logfleet,otelcol --out /tmp/try
  npm run bench -- fleet --agents 2000
  npm run bench -- quick
`;

export interface CommandLine {
  action: 'help' | 'list' | 'build-peers' | 'quick' | 'run';
  workloads: readonly Workload[];
  tools: readonly string[] | undefined;
  filebeat: string | undefined;
  rounds: number | undefined;
  mib: number | undefined;
  agents: number | undefined;
  seconds: number | undefined;
  out: string | undefined;
  record: boolean;
}

/** Throws an Error that names what is wrong and what would be right. */
export function readOptions(args: readonly string[], env: NodeJS.ProcessEnv = process.env): CommandLine {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      tools: { type: 'string' },
      filebeat: { type: 'string' },
      rounds: { type: 'string' },
      mib: { type: 'string' },
      agents: { type: 'string' },
      seconds: { type: 'string' },
      out: { type: 'string' },
      record: { type: 'boolean' },
      list: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const tools = values.tools?.split(',');
  known('--tools', tools ?? [], TOOL_NAMES);
  const [first] = positionals;
  const alone = positionals.length === 1 && (first === 'quick' || first === 'build-peers') ? first : undefined;
  const names = workloads.map(({ name }) => name);
  if (!alone) known('workload', positionals, [...names, 'or quick or build-peers alone']);
  return {
    action: values.help ? 'help' : values.list ? 'list' : (alone ?? 'run'),
    workloads: workloads.filter(({ name }) => positionals.length === 0 || positionals.includes(name)),
    tools,
    filebeat: values.filebeat ?? env['FILEBEAT'],
    rounds: positive('--rounds', values.rounds),
    mib: positive('--mib', values.mib),
    agents: positive('--agents', values.agents),
    seconds: positive('--seconds', values.seconds),
    out: values.out,
    record: values.record === true,
  };
}

function known(what: string, given: readonly string[], valid: readonly string[]): void {
  const wrong = given.filter((name) => !valid.includes(name));
  if (wrong.length > 0) throw new Error(`${what}: unknown: ${wrong.join(', ')}; valid are ${valid.join(', ')}`);
}

function positive(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${flag}: ${text} is not a whole number above 0`);
  return value;
}
