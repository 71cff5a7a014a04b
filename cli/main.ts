import { CommanderError } from 'commander';
import { CliError, exitCodes } from './output/cli-error.ts';
import { printError } from './output/messages.ts';
import { createProgram } from './program.ts';

/** A reader that closes the pipe early, such as `head`, is not a failure. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

process.exitCode = await main();

async function main(): Promise<number> {
  try {
    await createProgram((text) => void process.stdout.write(text)).parseAsync();
    return 0;
  } catch (error) {
    // commander has printed its errors itself.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
    printError(error);
    const code = error instanceof CliError ? error.exitCode : exitCodes.refused;
    // A connection attempt without an answer would keep the process alive for 20 s.
    if (code === exitCodes.unreachable) process.exit(code);
    return code;
  }
}
