import type { Ground } from '../ground.ts';
import type { BenchOptions } from '../options.ts';

/** One that stands on a broker. */
export interface BrokerWorkload {
  readonly name: string;
  /** For --list. */
  readonly about: string;
  /** Measures, and writes its section. */
  run(ground: Ground, options: BenchOptions): Promise<void>;
}

/** One that starts what it needs by itself. */
export interface ServerlessWorkload extends Omit<BrokerWorkload, 'run'> {
  runAlone(options: BenchOptions): Promise<void>;
}

export type Workload = BrokerWorkload | ServerlessWorkload;
