import type { Fixture } from '../measure/fixture.ts';
import type { BenchOptions } from '../measure/options.ts';

/** A workload that needs a broker. */
export interface BrokerWorkload {
  readonly name: string;
  /** Shown by --list. */
  readonly about: string;
  /** Measures, and writes its section of RESULTS.md. */
  run(fixture: Fixture, options: BenchOptions): Promise<void>;
}

/** A workload that starts its own servers. */
export interface ServerlessWorkload extends Omit<BrokerWorkload, 'run'> {
  runAlone(options: BenchOptions): Promise<void>;
}

export type Workload = BrokerWorkload | ServerlessWorkload;
