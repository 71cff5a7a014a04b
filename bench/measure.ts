import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { systemClock } from '../runtime/clock.ts';
import { errorCode } from '../runtime/errors.ts';

/** One run of one tool. */
export interface Measurement {
  seconds: number;
  cpuSeconds: number;
  peakRssMib: number;
}

const LOOK_INTERVAL_MS = 5;
/** USER_HZ of Linux; getconf CLK_TCK says 100 wherever we run. */
const TICKS_PER_SECOND = 100;

/** Runs a command to its end and reads its CPU time and peak memory from /proc; rejects when it fails. */
export async function measure(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Measurement> {
  const startMs = systemClock.monotonicMs();
  const child = spawn(command, [...args], { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (data: Buffer) => {
    errors += data.toString();
  });
  let endMs = 0;
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => {
      endMs = systemClock.monotonicMs();
      resolve(code);
    });
  });
  let usage = { cpuSeconds: 0, peakRssMib: 0 };
  while (endMs === 0 && child.exitCode === null) {
    usage = (child.pid !== undefined && readUsage(child.pid)) || usage;
    await systemClock.sleep(LOOK_INTERVAL_MS);
  }
  const code = await exited;
  if (code !== 0) throw new Error(`${command} ended with code ${code}:\n${errors.slice(-2000)}`);
  return { seconds: (endMs - startMs) / 1000, ...usage };
}

function readUsage(pid: number): Omit<Measurement, 'seconds'> | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /, '')
      .split(' ');
    const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    if (peak === undefined) return undefined;
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
      peakRssMib: Number(peak) / 1024,
    };
  } catch (error) {
    // It ended between two looks: the last one counts.
    if (['ENOENT', 'ESRCH'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
