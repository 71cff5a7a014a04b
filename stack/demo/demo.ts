import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import { freePort } from '../free-port.ts';
import type { Stack } from '../start-stack.ts';

const root = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);
const UP_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 15_000;

/** The fields of `logfleet get agent -o json` that the demo shows. */
export interface AgentView {
  liveness: string;
  entries?: { entry: string; state: string; error?: string }[];
  files?: { path: string; position?: string; size?: string; lag_bytes?: string }[];
  health?: {
    lag_bytes?: string;
    lines_per_second?: number;
    bytes_per_second?: number;
    delivered_lines?: string;
    error?: string;
  };
}

/** A controller and an agent, started through their launchers as by a user. */
export class Demo implements AsyncDisposable {
  readonly folder: string;
  readonly logs: string;
  readonly #children: { name: string; child: ChildProcess }[] = [];
  controller = '';

  constructor(folder: string) {
    this.folder = folder;
    this.logs = join(folder, 'logs');
  }

  async start(stack: Stack): Promise<void> {
    await mkdir(this.logs, { recursive: true });
    this.controller = `127.0.0.1:${await freePort()}`;
    const kafka = stack.kafka.join(',');
    this.#spawn('controller', join(root, 'bin', 'logfleet-controller'), [
      ...['--listen', this.controller, '--etcd', stack.etcd.join(','), '--kafka', kafka],
      ...['--etcd.prefix', `/logfleet-demo-${process.pid}/`],
    ]);
    await this.#until('the controller', () => this.cli('get', 'entries'));
    this.#spawn('agent', join(root, 'bin', 'logfleet-agent'), [
      ...['--controller', this.controller, '--kafka', kafka, '--state', join(this.folder, 'agent')],
      ...['--id', 'demo', '--label', 'env=demo', '--report-interval', '1s'],
    ]);
    await this.#until('the agent', async () => {
      if ((await this.agent()).liveness !== 'LIVENESS_LIVE') throw new Error('the agent is not connected yet');
    });
  }

  /** Creates an entry with the command `logfleet apply`. */
  async apply(entry: Record<string, unknown>): Promise<void> {
    const file = join(this.folder, 'entry.yaml');
    await writeFile(file, JSON.stringify(entry, undefined, 2));
    await this.cli('apply', '-f', file);
  }

  write(file: string, linesPerSecond: number, total = Number.POSITIVE_INFINITY): ChildProcess {
    const args = [join(root, 'stack', 'demo', 'log-writer.ts'), file, String(linesPerSecond), String(total)];
    return this.#spawn('log-writer', process.execPath, args);
  }

  async agent(): Promise<AgentView> {
    return JSON.parse(await this.cli('get', 'agent', 'demo', '-o', 'json')) as AgentView;
  }

  async cli(...args: string[]): Promise<string> {
    const { stdout } = await run(join(root, 'bin', 'logfleet'), ['--controller', this.controller, ...args]);
    return stdout;
  }

  /** Stops the processes in reverse order of their start. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = new Promise((resolve) => child.once('exit', resolve));
      const killTimer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      child.kill('SIGTERM');
      await exited;
      clearTimeout(killTimer);
    }
  }

  /** Its own process group: Ctrl-C reaches only this process, which stops the others in order. */
  #spawn(name: string, command: string, args: readonly string[]): ChildProcess {
    const log = createWriteStream(join(this.folder, `${name}.log`), { flags: 'a' });
    const child = spawn(command, [...args], { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    child.stderr?.pipe(log);
    this.#children.push({ name, child });
    return child;
  }

  async #until(what: string, check: () => Promise<unknown>): Promise<void> {
    const deadline = systemClock.monotonicMs() + UP_TIMEOUT_MS;
    for (;;) {
      try {
        await check();
        return;
      } catch (error) {
        const dead = this.#children.find(({ name, child }) => name !== 'log-writer' && child.exitCode !== null);
        if (dead || systemClock.monotonicMs() > deadline) {
          throw new Error(`${what} did not start: ${errorText(error)}`, { cause: error });
        }
      }
      await systemClock.sleep(100);
    }
  }
}
