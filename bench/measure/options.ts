import type { FoundTools } from '../tools/find-tools.ts';

/** The options of a workload. */
export interface BenchOptions extends FoundTools {
  /** Rounds that count; undefined: the workload's default. */
  rounds: number | undefined;
  /** Replaces the workload's size. */
  mib: number | undefined;
  /** Simulated agents; undefined: the workload's default. */
  agents: number | undefined;
  /** How long a steady workload is measured, in s; undefined: its default. */
  seconds: number | undefined;
  /** The folder of RESULTS.md and results/. */
  out: string;
  say(line: string): void;
}
