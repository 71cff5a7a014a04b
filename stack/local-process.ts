import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { errorText } from '../runtime/errors.ts';

const STOP_TIMEOUT_MS = 15_000;
const LAST_LINES = 12;

/**
 * Runs a command and kills it when standard input ends. If the parent dies, even by kill -9, its
 * end of the pipe closes. A subshell of the wrapper watches the pipe; the wrapper waits for the
 * command and returns its exit code. The first line of output is the command's own process id.
 */
const WRAPPER = `sh -c 'echo "pid $$"; exec "$@"' sh "$@" </dev/null & child=$!
trap 'kill -TERM $child 2>/dev/null' TERM INT
( cat >/dev/null; kill -KILL $child 2>/dev/null ) <&3 3<&- & watcher=$!
exec 3<&-
while :; do wait $child; code=$?; kill -0 $child 2>/dev/null || break; done
kill -KILL $watcher 2>/dev/null
exit $code`;

export interface LocalProcessOptions {
  command: string;
  args: readonly string[];
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** The file that its output is appended to. */
  logFile: string;
  /** Called with its last output when it ends without `stop` or `kill`. */
  onDied?: ((lastLines: string) => void) | undefined;
}

/** A server process that never outlives this process. */
export interface LocalProcess {
  readonly pid: number;
  readonly exited: Promise<number | null>;
  /** Sends SIGTERM, after 15 s SIGKILL, and waits for the exit. */
  stop(): Promise<void>;
  /** Sends a signal to the server itself, and waits for its exit. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Its last lines of output, for an error message. */
  lastLines(): Promise<string>;
}

export async function startLocalProcess(options: LocalProcessOptions): Promise<LocalProcess> {
  const log = createWriteStream(options.logFile, { flags: 'a' });
  const shell = spawn('sh', ['-c', `exec 3<&0; ${WRAPPER}`, 'sh', options.command, ...options.args], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    // Its own process group, so Ctrl-C reaches only this process, which stops the servers in order.
    detached: true,
  });
  const exited = new Promise<number | null>((resolve) => shell.once('exit', resolve));
  shell.stderr?.pipe(log, { end: false });
  const pid = await readPid(shell);
  shell.stdout?.pipe(log, { end: false });
  shell.once('close', () => log.end());
  let isStopping = false;
  const kill = async (signal: NodeJS.Signals) => {
    isStopping = true;
    signalPid(pid, signal);
    await exited;
  };
  const lastLines = async () =>
    (await readFile(options.logFile, 'utf8')).trimEnd().split('\n').slice(-LAST_LINES).join('\n');
  if (options.onDied) {
    const { onDied } = options;
    void exited.then(async () => isStopping || onDied(await lastLines().catch(errorText)));
  }
  return {
    pid,
    exited,
    kill,
    stop: async () => {
      const killTimer = setTimeout(() => signalPid(pid, 'SIGKILL'), STOP_TIMEOUT_MS);
      await kill('SIGTERM');
      clearTimeout(killTimer);
    },
    lastLines,
  };
}

function readPid(shell: ChildProcess): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const stdout = shell.stdout as Readable;
  let text = '';
  const onData = (data: Buffer) => {
    text += data.toString();
    const match = /^pid (\d+)\n/.exec(text);
    if (!match) return;
    // A flowing stream without a reader would drop output until the log is attached.
    stdout.pause();
    stdout.off('data', onData);
    const rest = text.slice(match[0].length);
    if (rest) stdout.unshift(Buffer.from(rest));
    resolve(Number(match[1]));
  };
  stdout.on('data', onData);
  shell.once('error', reject);
  // Not on `exit`, because output from before may not have been read yet.
  shell.once('close', (code) => reject(new Error(`the process exited at once with code ${code}`)));
  return promise;
}

function signalPid(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
