import type { Ground } from '../ground.ts';
import type { BenchOptions } from '../options.ts';

export interface Workload {
  readonly name: string;
  /** For --list. */
  readonly about: string;
  /** Measures, and writes its section. */
  run(ground: Ground, options: BenchOptions): Promise<void>;
}
