import { type LocalProcess, startLocalProcess } from '../../stack/local-process.ts';

/** A process that is started again when it ends by itself, as systemd would; it never outlives us. */
export interface Supervised {
  start(): Promise<void>;
  /** Sends a signal and waits until it is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
  freeze(): void;
  thaw(): void;
  /** How often it ended and nobody had asked it to. */
  readonly endedByItself: number;
}

const RESTART_DELAY_MS = 500;

export interface Command {
  command: string;
  args: readonly string[];
  /** Where all that it prints goes. */
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
    // It has ended: there is nothing to stop or to continue.
  }
}
