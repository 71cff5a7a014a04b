import { errorText } from '../../runtime/errors.ts';
import { CliError } from './cli-error.ts';
import { harmless } from './format.ts';

/** Prints on standard error, which leaves standard output to the result. */
export function printWarning(text: string): void {
  process.stderr.write(harmless(`warning: ${text}\n`));
}

/** Prints what an error says and, below, each field that is wrong. */
export function printError(error: unknown): void {
  const message = error instanceof CliError ? error.message : errorText(error);
  const violations = error instanceof CliError ? error.violations : [];
  const colon = violations.length > 0 ? ':' : '';
  if (message !== '') process.stderr.write(`${red('error:')} ${harmless(message)}${colon}\n`);
  for (const { field, description } of violations) process.stderr.write(harmless(`  ${field}: ${description}\n`));
}

/** https://no-color.org */
function red(text: string): string {
  return process.stderr.isTTY && !process.env['NO_COLOR'] ? `\x1b[31m${text}\x1b[0m` : text;
}

/** Writes to standard output and waits while its reader is slow. */
export function writeToStdout(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => process.stdout.write(bytes, () => resolve()));
}
