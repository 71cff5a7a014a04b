import type { Command } from 'commander';
import type { ConnectionOptions } from '../rpc/channel.ts';
import { type ControllerApi, connect } from '../rpc/client.ts';

/** What a command needs from the program. */
export interface CommandContext {
  /** Writes to standard output. */
  write(text: string): void;
  /** Runs `body` with a connection to the controller, and closes it. */
  withApi(body: (api: ControllerApi) => Promise<void>): Promise<void>;
  /** The value of `--timeout`. */
  timeoutMs(): number;
  /** The value of `--timeout` if it is given, for commands with a default of their own. */
  givenTimeoutMs(): number | undefined;
  /** The connection that the global options describe. */
  connection(): ConnectionOptions;
}

type GlobalOptions = Omit<ConnectionOptions, 'timeoutMs' | 'tls'> & { timeout: number; tls?: true };

/** A context that reads the global options of `program`, once they have been parsed. */
export function createContext(program: Command, write: (text: string) => void): CommandContext {
  const connection = (): ConnectionOptions => {
    const { timeout, tls, ...options } = program.opts<GlobalOptions>();
    return { ...options, timeoutMs: timeout, tls: tls ?? process.env['LOGFLEET_TLS'] === 'true' };
  };
  const timeoutMs = () => connection().timeoutMs;
  return {
    write,
    connection,
    timeoutMs,
    givenTimeoutMs: () => (program.getOptionValueSource('timeout') === 'default' ? undefined : timeoutMs()),
    withApi: async (body) => {
      using api = await connect(connection());
      await body(api);
    },
  };
}
