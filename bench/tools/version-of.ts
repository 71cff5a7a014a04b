import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What a command says its version is, the groups of `pattern` in what it prints; undefined where it is not installed. */
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
