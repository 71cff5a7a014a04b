import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { errorText } from '../../runtime/errors.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';

/** Reads a file, or standard input for `-`. Rejects with CliError. */
export async function readInput(file: string): Promise<string> {
  try {
    return file === '-' ? await text(process.stdin) : await readFile(file, 'utf8');
  } catch (error) {
    throw new CliError(exitCodes.usage, `can't read ${file}: ${errorText(error)}`, { cause: error });
  }
}

/** The file's name for messages. */
export function inputName(file: string): string {
  return file === '-' ? 'standard input' : file;
}
