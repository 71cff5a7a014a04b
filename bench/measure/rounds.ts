import { errorText } from '../../runtime/errors.ts';
import type { Tool } from '../tools/tool.ts';

/** The result of one tool's round. It counts if it has no failure. */
interface Outcome {
  failure?: string;
}

export interface ToolRuns<T extends Outcome> {
  tool: Tool;
  /**
   * The warm-up round, which does not count: the broker's JIT, the page cache, the compile cache.
   */
  first: T;
  /** The rounds that count. */
  runs: T[];
  /** Why there are fewer runs than rounds. */
  failure?: string;
}

/**
 * Runs the tools in alternating rounds: a warm-up, then `rounds` that count. A tool that fails is
 * left out of the rest.
 */
export async function alternate<T extends Outcome>(
  tools: readonly Tool[],
  rounds: number,
  run: (tool: Tool, round: number) => Promise<T>,
): Promise<ToolRuns<T>[]> {
  const all: ToolRuns<T>[] = [];
  for (let round = 0; round <= rounds; round++) {
    for (const [index, tool] of tools.entries()) {
      if (all[index]?.failure !== undefined) continue;
      const outcome = await run(tool, round);
      if (round === 0) all.push({ tool, first: outcome, runs: [] });
      const own = all[index] as ToolRuns<T>;
      if (outcome.failure !== undefined) own.failure = outcome.failure;
      else if (round > 0) own.runs.push(outcome);
    }
  }
  return all;
}

/** The result of `run`, or the reason why it rejected. */
export async function orFailure<T>(run: () => Promise<T>): Promise<T | { failure: string }> {
  try {
    return await run();
  } catch (error) {
    return { failure: errorText(error) };
  }
}
