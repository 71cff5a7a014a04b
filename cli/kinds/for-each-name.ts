import { CliError, exitCodes } from '../output/cli-error.ts';
import { printError } from '../output/messages.ts';

/**
 * Acts on each name even when another fails, as kubectl does. Prints all failures but the last,
 * which it throws. An unreachable controller ends it, because each further name would fail too.
 */
export async function forEachName(names: readonly string[], action: (name: string) => Promise<void>): Promise<void> {
  const failures: unknown[] = [];
  for (const name of names) {
    try {
      await action(name);
    } catch (error) {
      failures.push(error);
      if (!(error instanceof CliError) || error.exitCode !== exitCodes.refused) break;
    }
  }
  if (failures.length === 0) return;
  for (const failure of failures.slice(0, -1)) printError(failure);
  throw failures.at(-1);
}
