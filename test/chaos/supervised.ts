import { type LocalProcess, startLocalProcess } from '../../stack/local-process.ts';

/**
 * A process that is restarted when it exits by itself, as by systemd. It never outlives the test.
 */
export interface Supervised {
  start(): Promise<void>;
  /** Sends a signal and waits until the process has exited. */
  kill(signal: NodeJS.Signals): Promise<void>;
  freeze(): void;
  thaw(): void;
  /** How often it exited without being asked to. */
  readonly endedByItself: number;
}

const RESTART_DELAY_MS = 500;

export interface Command {
  command: string;
  args: readonly string[];
  /** The file that gets all its output. */
  logFile: string;
}

export function supervise({ command, args, logFile }: Command, say: (line: string) => void): Supervised {
  let running: LocalProcess | undefined;
  let restart: NodeJS.Timeout | undefined;
  let endedByItself = 0;
  const start = async () => {
    running = await startLocalProcess({
      command,
      args,
      logFile,
      env: { NODE_TEST_CONTEXT: undefined },
      onDied: () => {
        endedByItself++;
        say(`the collector ended by itself; what it printed is in ${logFile}`);
        restart = setTimeout(() => void start().catch((error) => say(String(error))), RESTART_DELAY_MS);
      },
    });
  };
  return {
    start,
    kill: async (signal) => {
      clearTimeout(restart);
      await running?.kill(signal);
    },
    freeze: () => signalIfThere(running, 'SIGSTOP'),
    thaw: () => signalIfThere(running, 'SIGCONT'),
    get endedByItself() {
      return endedByItself;
    },
  };
}

function signalIfThere(target: LocalProcess | undefined, signal: NodeJS.Signals): void {
  try {
    if (target) process.kill(target.pid, signal);
  } catch {
    // It has exited: there is nothing to stop or to continue.
  }
}
