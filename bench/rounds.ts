import { errorText } from '../runtime/errors.ts';
import type { Tool } from './tools/tool.ts';

/** What a round of one tool gave; without a failure it counts. */
interface Outcome {
  failure?: string;
}

export interface ToolRuns<T extends Outcome> {
  tool: Tool;
  /** The round that does not count: the broker's JIT, the page cache, the compile cache. */
  first: T;
  /** Those that count. */
  runs: T[];
  /** Why there are fewer than there should be. */
  failure?: string;
}

/** Runs the tools in alternating rounds, one that does not count and `rounds` that do. One that fails is left out from then on. */
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

/** What `run` gives, or, when it rejects, why. */
export async function orFailure<T>(run: () => Promise<T>): Promise<T | { failure: string }> {
  try {
    return await run();
  } catch (error) {
    return { failure: errorText(error) };
  }
}
