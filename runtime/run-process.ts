import type { z } from 'zod';
import { loadConfig } from './config.ts';
import type { ConfigSpec } from './config-spec.ts';
import { CodedError, errorText } from './errors.ts';
import { runUntilSignal } from './lifecycle.ts';
import { createLogger, type Logger, type LogLevel } from './logger.ts';

interface Logged {
  log: { level: LogLevel; format: 'json' | 'text' };
}

/**
 * Runs a process from its command line to its exit code: 0 after an orderly end, 1 if `body` fails,
 * 2 if the configuration is invalid.
 */
export async function runProcess<Schema extends z.ZodType<Logged>>(
  spec: ConfigSpec<Schema>,
  body: (config: z.output<Schema>, logger: Logger, signal: AbortSignal) => Promise<void>,
): Promise<number> {
  try {
    const outcome = loadConfig(spec, process.argv.slice(2), process.env);
    if (outcome.kind === 'print') {
      process.stdout.write(outcome.text);
      return 0;
    }
    const logger = createLogger({ ...outcome.config.log, fields: { program: spec.program } });
    return await runUntilSignal(logger, (signal) => body(outcome.config, logger, signal));
  } catch (error) {
    const lines = errorText(error).split('\n');
    for (const line of lines) process.stderr.write(`${spec.program}: ${line}\n`);
    return error instanceof CodedError && error.code === 'INVALID' ? 2 : 1;
  }
}
