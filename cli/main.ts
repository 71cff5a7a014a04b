import { CommanderError } from 'commander';
import { errorText } from '../runtime/errors.ts';
import { CliError, exitCodes } from './cli-error.ts';
import { harmless } from './format.ts';
import { createProgram } from './program.ts';

/** A reader that has seen enough, such as `head`, is no failure. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

process.exitCode = await main();

async function main(): Promise<number> {
  try {
    await createProgram((text) => void process.stdout.write(text)).parseAsync();
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
    if (!(error instanceof CliError)) {
      process.stderr.write(`${red('error:')} ${errorText(error)}\n`);
      return exitCodes.refused;
    }
    if (error.message !== '') process.stderr.write(`${red('error:')} ${harmless(error.message)}\n`);
    for (const { field, description } of error.violations)
      process.stderr.write(harmless(`  ${field}: ${description}\n`));
    return error.exitCode;
  }
}

/** https://no-color.org */
function red(text: string): string {
  return process.stderr.isTTY && !process.env['NO_COLOR'] ? `\x1b[31m${text}\x1b[0m` : text;
}
