/** What a tool has to deliver from files to a topic. */
export interface Job {
  /** Globs. */
  paths: readonly string[];
  topic: string;
  /** HOST:PORT of a broker. */
  kafka: string;
  compression: 'none' | 'lz4' | 'zstd';
  /**
   * `lines`: each line is a record. `multiline`: a line that begins with a year begins a record.
   * `json`: each line is an object; those with level debug are dropped. `filter`: lines that
   * contain ` 404 ` are dropped.
   */
  task: 'lines' | 'multiline' | 'json' | 'filter';
  /** True: all files exist and are complete. False: they grow and are followed. */
  complete: boolean;
}

export interface Command {
  command: string;
  args: readonly string[];
}

/** A collector under measurement. */
export interface Tool {
  /** Its name for --tools. */
  readonly name: string;
  /** Its name in tables. */
  readonly label: string;
  readonly version: string;
  /** Its settings: what a reader must know to judge whether the comparison is fair. */
  readonly settings: string;
  does(job: Pick<Job, 'task' | 'complete'>, files: number): boolean;
  /** Whether it ends by itself when complete files are delivered. */
  readonly ends: boolean;
  /** Whether it writes each line as a JSON string in quotes, because it can't do otherwise. */
  readonly quotes?: boolean;
  /**
   * Returns how to start it. Writes its configuration and positions to `folder`, which is empty at
   * first.
   */
  command(job: Job, folder: string): Promise<Command>;
}

export const MULTILINE_START = '^[0-9]{4}-';
export const DROPPED = ' 404 ';
