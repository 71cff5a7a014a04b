import { dirname, join } from 'node:path';
import { systemClock } from '../../runtime/clock.ts';
import { startLocalProcess } from '../../stack/local-process.ts';
import type { Job, Tool } from '../tools/tool.ts';
import type { Fixture } from './fixture.ts';
import { readUsage, type Usage } from './usage.ts';

/** Enough open files for 20,000 logs, as service managers allow; otherwise the hard limit. */
export const WITH_OPEN_FILES = 'ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -H -n)"; exec "$@"';
/** How much of its output a table may show. */
const LAST_WORDS = 300;

/** A tool's process. It ends with its scope. */
export interface RunningTool extends AsyncDisposable {
  /** Seconds since just before its start. */
  seconds(): number;
  /** Its usage now, or when it was last seen. */
  usage(): Usage;
  /** Seconds from its start to its end; undefined while it runs. */
  endedAfter(): number | undefined;
  /** Resolves when it has ended, or after the timeout. */
  ended(waitMs: number): Promise<void>;
  /** Throws an Error with its last lines if it has ended. For tools that must keep running. */
  check(): Promise<void>;
  /** Sends SIGTERM and waits until it has ended. */
  stop(): Promise<void>;
}

/** Starts a tool. Give `folder` to continue from its previous run. */
export async function startTool(fixture: Fixture, tool: Tool, job: Job, folder?: string): Promise<RunningTool> {
  const own = folder ?? (await fixture.folder(tool.name));
  const command = await tool.command(job, own);
  const startMs = systemClock.monotonicMs();
  const seconds = () => (systemClock.monotonicMs() - startMs) / 1000;
  const child = await startLocalProcess({
    command: 'sh',
    args: ['-c', WITH_OPEN_FILES, 'sh', command.command, ...command.args],
    logFile: join(own, 'output.log'),
  });
  let usage: Usage = { cpuSeconds: 0, rssMib: 0, peakRssMib: 0 };
  let endedAfter: number | undefined;
  void child.exited.then(() => {
    endedAfter = seconds();
  });
  return {
    seconds,
    usage: () => {
      usage = readUsage(child.pid) ?? usage;
      return usage;
    },
    endedAfter: () => endedAfter,
    ended: async (waitMs) => {
      await Promise.race([child.exited, systemClock.sleep(waitMs)]);
    },
    check: async () => {
      if (endedAfter === undefined) return;
      const last = (await child.lastLines()).replaceAll(dirname(own), '…').slice(-LAST_WORDS);
      throw new Error(`ended after ${endedAfter.toFixed(1)} s: ${last}`);
    },
    stop: () => child.stop(),
    [Symbol.asyncDispose]: () => child.kill('SIGKILL'),
  };
}
