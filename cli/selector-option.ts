import { parseSelector } from '../proto/rules/selector.ts';
import { CliError, exitCodes } from './cli-error.ts';

/** What `--selector` gives, if it is right. Throws CliError. */
export function checkedSelector(text: string): string {
  try {
    parseSelector(text);
    return text;
  } catch (error) {
    throw new CliError(exitCodes.usage, `--selector: ${(error as Error).message}`, { cause: error });
  }
}
