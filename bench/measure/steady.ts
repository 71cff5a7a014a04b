import { systemClock } from '../../runtime/clock.ts';
import type { RunningTool } from './running-tool.ts';

/** What a tool uses while it runs steadily. */
export interface Load {
  cpuPercent: number;
  rssMib: number;
  peakRssMib: number;
}

/** Measures a running tool for this long. Rejects if it ends. */
export async function loadOver(running: RunningTool, seconds: number): Promise<Load> {
  const before = running.usage();
  const startMs = systemClock.monotonicMs();
  await systemClock.sleep(seconds * 1000);
  await running.check();
  const after = running.usage();
  const passedSeconds = (systemClock.monotonicMs() - startMs) / 1000;
  return {
    cpuPercent: (100 * (after.cpuSeconds - before.cpuSeconds)) / passedSeconds,
    rssMib: after.rssMib,
    peakRssMib: after.peakRssMib,
  };
}

const LOOK_INTERVAL_MS = 20;

/** Waits until `enough` of `what` have arrived. Rejects after `seconds`, and if the tool ends. */
export async function until(
  running: RunningTool,
  what: string,
  enough: number,
  seconds: number,
  count: () => number | Promise<number>,
): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + seconds * 1000;
  for (;;) {
    const there = await count();
    if (there >= enough) return;
    await running.check();
    if (systemClock.monotonicMs() > deadlineMs) {
      const figures = [there, enough].map((value) => value.toLocaleString('en-US'));
      throw new Error(`${figures.join(' of ')} ${what} after ${seconds} s`);
    }
    await systemClock.sleep(LOOK_INTERVAL_MS);
  }
}
