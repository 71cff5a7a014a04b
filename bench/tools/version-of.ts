import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A command's version: the groups of `pattern` in its output. Undefined if it is not installed. */
export async function versionOf(
  command: string,
  args: readonly string[],
  pattern: RegExp,
): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await run(command, [...args]);
    return pattern
      .exec(stdout + stderr)
      ?.slice(1)
      .join(', ');
  } catch {
    return undefined;
  }
}
