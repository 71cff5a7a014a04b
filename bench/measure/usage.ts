import { readFileSync } from 'node:fs';
import { errorCode } from '../../runtime/errors.ts';

/** What a process has used since its start. */
export interface Usage {
  /** User and system time, including its ended children. */
  cpuSeconds: number;
  rssMib: number;
  peakRssMib: number;
}

/** Linux' USER_HZ: `getconf CLK_TCK` prints 100 on every machine used so far. */
const TICKS_PER_SECOND = 100;

/** Reads /proc; undefined if the process does not exist. */
export function readUsage(pid: number): Usage | undefined {
  try {
    // proc(5): utime, stime, cutime and cstime are fields 14 to 17. Field 2, the name, may have
    // blanks.
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /, '')
      .split(' ');
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    const kib = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]);
    const [rss, peak] = [kib('VmRSS'), kib('VmHWM')];
    // A zombie has no memory.
    if (Number.isNaN(peak)) return undefined;
    return { cpuSeconds: ticks / TICKS_PER_SECOND, rssMib: rss / 1024, peakRssMib: peak / 1024 };
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}
