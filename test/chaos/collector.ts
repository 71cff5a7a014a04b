import type { RunningController } from '../support/controllers.ts';
import type { Supervised } from './supervised.ts';

/** The collector's progress in a file, by its own report. */
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
  /** The folder of its state. The full-disk fault fills the disk that it is on. */
  readonly stateDir: string;
  /** What it reports of its files; undefined if it reports nothing. */
  files(): Promise<FileReport[] | undefined>;
}

/** The configuration of a collector. */
export interface CollectorSetup {
  controller: RunningController;
  bootstrap: readonly string[];
  /** Globs that match the files of all writers. */
  paths: readonly string[];
  topic: string;
  stateDir: string;
  logFile: string;
}
