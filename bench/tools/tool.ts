/** What is to be carried from files to a topic. */
export interface Job {
  /** Globs. */
  paths: readonly string[];
  topic: string;
  /** HOST:PORT of a broker. */
  kafka: string;
  compression: 'none' | 'lz4' | 'zstd';
  /**
   * `lines`: each line a record. `multiline`: a record begins with a line that begins with a year. `json`: each line is an object; those of
   * level debug are dropped. `filter`: lines with ` 404 ` in them are dropped.
   */
  task: 'lines' | 'multiline' | 'json' | 'filter';
  /** The files are all there, and complete; else they are followed. */
  complete: boolean;
}

export interface Command {
  command: string;
  args: readonly string[];
}

/** A collector that is measured. */
export interface Tool {
  /** For --tools. */
  readonly name: string;
  /** For tables. */
  readonly label: string;
  readonly version: string;
  /** How it is set up: what a reader has to know to call the comparison fair, or not. */
  readonly settings: string;
  does(job: Pick<Job, 'task' | 'complete'>, files: number): boolean;
  /** Whether it ends by itself when files that are complete are delivered. */
  readonly ends: boolean;
  /** Whether the values that it writes are the lines as JSON strings, in quotes, for it can't do otherwise. */
  readonly quotes?: boolean;
  /** How to start it; writes what it needs into `folder`, which is its own, empty at first, and where its positions go. */
  command(job: Job, folder: string): Promise<Command>;
}

export const MULTILINE_START = '^[0-9]{4}-';
export const DROPPED = ' 404 ';
