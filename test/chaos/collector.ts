import type { RunningController } from '../support/controllers.ts';
import type { Supervised } from './supervised.ts';

/** Where the collector has come to in a file, by its own report. */
export interface FileReport {
  path: string;
  generation: string;
  /** The position up to which Kafka has acknowledged every line. */
  position: number;
  size: number;
}

/** A log collector under test: logfleet's agent, or a peer. */
export interface Collector extends Supervised {
  readonly name: string;
  /** Its state; the fault of a full disk fills the disk that it is on. */
  readonly stateDir: string;
  /** What it says of its files; undefined where it says nothing. */
  files(): Promise<FileReport[] | undefined>;
}

/** What a collector is told. */
export interface CollectorSetup {
  controller: RunningController;
  bootstrap: readonly string[];
  /** Globs: where the lines of all writers are. */
  paths: readonly string[];
  topic: string;
  stateDir: string;
  logFile: string;
}
