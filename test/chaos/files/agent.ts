import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemClock } from '../../../runtime/clock.ts';
import { errorCode } from '../../../runtime/errors.ts';
import { type LocalProcess, startLocalProcess } from '../../../stack/local-process.ts';
import type { Period } from './life.ts';

const LOOK_INTERVAL_MS = 100;
const STARTUP_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 40_000;

export interface AgentOptions {
  /** The path of `bin/logfleet-agent` in a checkout. */
  launcher: string;
  args: readonly string[];
  folder: string;
  /** The message that it logs when it is ready: when it has its entries. */
  readyMessage: string;
}

/** When a process ran: from when it was ready. */
export interface Uptime extends Period {
  /** From its start to when it was ready, ms: a measure of the machine's load. */
  startupMs: number;
  scanIntervalMs: number;
}

/** The uptimes without these periods. */
export function withoutPeriods(uptimes: readonly Uptime[], periods: readonly Period[]): Uptime[] {
  return periods.reduce(
    (all, { fromMs, toMs }) =>
      all.flatMap((up) => [
        ...(up.fromMs < fromMs ? [{ ...up, toMs: Math.min(up.toMs, fromMs) }] : []),
        ...(up.toMs > toMs ? [{ ...up, fromMs: Math.max(up.fromMs, toMs) }] : []),
      ]),
    [...uptimes],
  );
}

export interface LogLine {
  level: string;
  message: string;
  [field: string]: unknown;
}

/** The agent of a run: at most one process at a time. */
export class AgentUnderTest {
  readonly uptimes: Uptime[] = [];
  /** What went wrong with a process itself. */
  readonly failures: string[] = [];
  readonly #options: AgentOptions;
  #process: LocalProcess | undefined;
  #starts = 0;
  #ready: Promise<void> = Promise.resolve();

  constructor(options: AgentOptions) {
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#process !== undefined;
  }

  /**
   * Starts a process and does not wait until it is ready. `descriptors`: its limit of open files.
   */
  async start(scanIntervalMs: number, descriptors: number | undefined): Promise<void> {
    if (this.#process) return;
    const { launcher, args } = this.#options;
    const logFile = this.#logFile(++this.#starts);
    const limit = descriptors === undefined ? '' : `ulimit -n ${descriptors}; `;
    const startedMs = systemClock.monotonicMs();
    const own = await startLocalProcess({
      command: 'sh',
      args: ['-c', `${limit}exec "$@"`, 'sh', launcher, ...args, '--scan-interval', `${scanIntervalMs}ms`],
      logFile,
      env: { NODE_TEST_CONTEXT: undefined },
      onDied: (lastLines) => {
        this.failures.push(`the agent ended by itself: ${lastLines.split('\n').at(-1)?.slice(0, 300)}`);
        if (this.#process === own) this.#ended();
      },
    });
    this.#process = own;
    this.#ready = this.#whenReady(own, logFile, { startedMs, scanIntervalMs });
  }

  async kill(): Promise<void> {
    const own = this.#process;
    if (!own) return;
    this.#ended();
    await own.kill('SIGKILL');
  }

  /** Ends the process by SIGTERM, and waits until it has exited. */
  async stop(): Promise<void> {
    const own = this.#process;
    if (!own) return;
    // Before Node has installed a handler, SIGTERM ends the process.
    await this.#ready;
    this.#ended();
    const overdue = systemClock.after(STOP_TIMEOUT_MS, () => {
      this.failures.push(`the agent had not stopped ${STOP_TIMEOUT_MS / 1000} s after SIGTERM`);
      process.kill(own.pid, 'SIGKILL');
    });
    await own.kill('SIGTERM');
    overdue();
    const code = await own.exited;
    if (code !== 0) this.failures.push(`the agent exited with ${code} after SIGTERM`);
  }

  /** Resolves when the process that runs is ready, or has ended. */
  async untilReady(): Promise<void> {
    await this.#ready;
  }

  /** What all processes have logged. */
  async log(): Promise<LogLine[]> {
    const logs: LogLine[] = [];
    for (let start = 1; start <= this.#starts; start++)
      for (const line of (await readFile(this.#logFile(start), 'utf8')).split('\n')) logs.push(...parsed(line));
    return logs;
  }

  #ended(): void {
    const last = this.uptimes.at(-1);
    if (last?.toMs === Number.POSITIVE_INFINITY) last.toMs = systemClock.monotonicMs();
    this.#process = undefined;
  }

  async #whenReady(
    own: LocalProcess,
    logFile: string,
    { startedMs, scanIntervalMs }: { startedMs: number; scanIntervalMs: number },
  ): Promise<void> {
    while (this.#process === own) {
      const text = await readFile(logFile, 'utf8').catch((error: unknown) => {
        if (errorCode(error) === 'ENOENT') return '';
        throw error;
      });
      const nowMs = systemClock.monotonicMs();
      if (this.#process === own && text.includes(`"${this.#options.readyMessage}"`)) {
        this.uptimes.push({
          fromMs: nowMs,
          toMs: Number.POSITIVE_INFINITY,
          startupMs: nowMs - startedMs,
          scanIntervalMs,
        });
        return;
      }
      if (nowMs - startedMs > STARTUP_TIMEOUT_MS) {
        this.failures.push(`the agent was not ready after ${STARTUP_TIMEOUT_MS / 1000} s`);
        return;
      }
      await systemClock.sleep(LOOK_INTERVAL_MS);
    }
  }

  #logFile(start: number): string {
    return join(this.#options.folder, `agent-${start}.log`);
  }
}

/** The command of the same checkout as the agent. */
export function commandOf(launcher: string): string {
  return join(dirname(launcher), 'logfleet');
}

function parsed(line: string): LogLine[] {
  if (line === '') return [];
  try {
    return [JSON.parse(line) as LogLine];
  } catch {
    // The shell says so of a process that was killed.
    return line === 'Killed' ? [] : [{ level: 'error', message: line }];
  }
}
