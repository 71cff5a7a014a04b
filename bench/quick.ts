import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../runtime/errors.ts';
import { accessLog } from './inputs/line-kinds.ts';
import { carry } from './measure/carry.ts';
import type { Fixture } from './measure/fixture.ts';
import type { BenchOptions } from './measure/options.ts';
import { alternate } from './measure/rounds.ts';
import { median } from './measure/statistics.ts';
import { decimals } from './report/report.ts';
import { saveFigures } from './report/results-file.ts';

const MIB = 96;
const ROUNDS = 3;
const NAME = 'quick';
/** A ratio below this share of the recorded one deserves a look. */
const WARN_SHARE = 0.8;
/** Below this share it can't be noise. */
const FAIL_SHARE = 0.5;

/** logfleet's speed as a share of kcat's, by the tool's name. */
type Ratios = Record<string, number>;

export interface Verdict {
  verdict: 'ok' | 'slower' | 'failed' | 'not recorded';
  /** The measured ratio as a share of the recorded one. */
  share: number | undefined;
}

/** The regression guard. Returns false only if a ratio to kcat is far below the recorded one. */
export async function quick(fixture: Fixture, options: BenchOptions, record: boolean): Promise<boolean> {
  const ratios = await measure(fixture, options);
  const recorded = await readRecorded(options.out);
  let passes = true;
  for (const [name, ratio] of Object.entries(ratios)) {
    const { verdict, share } = verdictOf(ratio, recorded[name]);
    if (verdict === 'failed') passes = false;
    options.say(
      `${name.padEnd(14)} ${decimals(ratio)} of kcat's speed; recorded: ${decimals(recorded[name])}; share: ${decimals(share)}: ${verdict}`,
    );
    if (verdict === 'slower' || verdict === 'failed') options.say(advice(name, verdict));
  }
  if (!record) return passes;
  await saveFigures(NAME, { mib: options.mib ?? MIB, rounds: options.rounds ?? ROUNDS, ratios }, options.out);
  options.say('recorded');
  return true;
}

async function measure(fixture: Fixture, options: BenchOptions): Promise<Ratios> {
  const input = await fixture.input('access', accessLog, 1, (options.mib ?? MIB) * 2 ** 20);
  const tools = options.tools.filter(({ name }) => name === 'kcat' || name.startsWith('logfleet'));
  const runs = await alternate(tools, options.rounds ?? ROUNDS, (tool) =>
    carry(fixture, tool, input, { task: 'lines', compression: 'lz4' }),
  );
  for (const { tool, failure } of runs) if (failure !== undefined) throw new Error(`${tool.name}: ${failure}`);
  const kcat = runs.find(({ tool }) => tool.name === 'kcat')?.runs ?? [];
  // Compare round by round: other load on the machine changes between rounds.
  const ratio = (own: readonly { seconds: number }[]) =>
    median(own.map(({ seconds }, round) => (kcat[round]?.seconds ?? Number.NaN) / seconds));
  return Object.fromEntries(
    runs.filter(({ tool }) => tool.name !== 'kcat').map(({ tool, runs: own }) => [tool.name, ratio(own)]),
  );
}

export function verdictOf(ratio: number, recorded: number | undefined): Verdict {
  if (recorded === undefined) return { verdict: 'not recorded', share: undefined };
  const share = ratio / recorded;
  if (share < FAIL_SHARE) return { verdict: 'failed', share };
  return { verdict: share < WARN_SHARE ? 'slower' : 'ok', share };
}

async function readRecorded(out: string): Promise<Ratios> {
  try {
    const text = await readFile(join(out, 'results', `${NAME}.json`), 'utf8');
    return (JSON.parse(text) as { ratios: Ratios }).ratios;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return {};
    throw error;
  }
}

function advice(name: string, verdict: string): string {
  return `
!!! Compared with kcat, ${name} is ${verdict === 'failed' ? 'MUCH ' : ''}SLOWER than recorded in bench/results/${NAME}.json.
!!! Repeat it on an idle machine: npm run bench -- quick --rounds 7. If it stays slow, find the
!!! commit (git bisect) and the reason (perf record, node --cpu-prof). If it is intended, record
!!! the new ratios: npm run bench -- quick --record.
`;
}
