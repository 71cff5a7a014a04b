import { quantile } from '../measure/statistics.ts';

/** Times from just before a line is appended until a consumer has it, in ms. */
export interface Delays {
  lines: number;
  p50: number;
  p99: number;
  p999: number;
  max: number;
}

export function delaysOf(delaysMs: readonly number[]): Delays {
  const sorted = Float64Array.from(delaysMs).sort();
  return {
    lines: sorted.length,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    p999: quantile(sorted, 0.999),
    max: quantile(sorted, 1),
  };
}
