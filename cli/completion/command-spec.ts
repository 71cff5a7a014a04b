/** A command as completion needs it. */
export interface CommandSpec {
  name: string;
  description: string;
  options: readonly OptionSpec[];
  arguments: readonly ArgumentSpec[];
  commands: readonly CommandSpec[];
}

export interface OptionSpec {
  /** `-o`, `--output` */
  flags: readonly string[];
  description: string;
  /** The placeholder of its value, such as `file`; undefined for a flag without a value. */
  value: string | undefined;
  isVariadic: boolean;
  choices: readonly string[];
}

export interface ArgumentSpec {
  name: string;
  isVariadic: boolean;
  choices: Choices;
}

/** The possible values, or a function that finds those that continue what is written. */
export type Choices = readonly string[] | ((current: string) => readonly string[]);
