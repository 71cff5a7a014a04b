import { type ChildProcess, spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { eventually } from './eventually.ts';

const repository = join(import.meta.dirname, '..', '..');

/**
 * One of our processes, run from its source. It is killed with its scope unless the test ended it.
 */
export interface TestProcess extends AsyncDisposable {
  readonly pid: number;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  stdout(): string;
  stderr(): string;
  /** Sends a signal and waits until the process has exited. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Waits for the first log line with this message and returns it. */
  logged(message: string, options?: { timeoutMs?: number }): Promise<Record<string, unknown>>;
}

/** `uid`: run as another user. */
export function startProcess(
  script: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  uid?: number,
): TestProcess {
  const child: ChildProcess = spawn(process.execPath, [resolve(repository, script), ...args], {
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid !== undefined && { uid, gid: uid }),
  });
  const output = { stdout: '', stderr: '' };
  child.stdout?.on('data', (data: Buffer) => {
    output.stdout += data.toString();
  });
  child.stderr?.on('data', (data: Buffer) => {
    output.stderr += data.toString();
  });
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal })),
  );
  const kill = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await exited;
  };
  return {
    pid: child.pid as number,
    exited,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    kill,
    logged: (message, options) =>
      eventually(() => {
        const line = output.stderr.split('\n').find((text) => text.includes(`"message":${JSON.stringify(message)}`));
        if (!line)
          throw new Error(`${script} has not logged ${JSON.stringify(message)}:\n${output.stderr.slice(-3000)}`);
        return JSON.parse(line) as Record<string, unknown>;
      }, options),
    [Symbol.asyncDispose]: () => kill('SIGKILL'),
  };
}

/** Runs one of our processes until it exits. */
export async function runProcess(script: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  await using child = startProcess(script, args, env);
  const { code } = await child.exited;
  return { code, stdout: child.stdout(), stderr: child.stderr() };
}
