import type { FoundTools } from './tools/find-tools.ts';

/** What a workload is run with. */
export interface BenchOptions extends FoundTools {
  /** Rounds that count; undefined: each workload's own. */
  rounds: number | undefined;
  /** In the place of each workload's own size. */
  mib: number | undefined;
  /** Simulated agents; undefined: the workload's own. */
  agents: number | undefined;
  /** How long steady workloads are looked at, s; undefined: each one's own. */
  seconds: number | undefined;
  /** Where RESULTS.md and results/ are. */
  out: string;
  say(line: string): void;
}
