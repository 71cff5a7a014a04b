import { readLine } from './command-line.ts';

/** A command as the shell needs to know it. */
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
  /** What its value is called, such as `file`; undefined for a flag without one. */
  value: string | undefined;
  isVariadic: boolean;
  choices: readonly string[];
}

export interface ArgumentSpec {
  name: string;
  isVariadic: boolean;
  choices: readonly string[];
}

export interface Candidate {
  text: string;
  description: string;
}

/** What can stand at the end of a command line; `files`: names of files, too. */
export interface Completion {
  candidates: Candidate[];
  files: boolean;
}

/** Tells the names of one kind of thing. `given` are the options of the line, by flag, with their values: they say which controller is meant. */
export type NameSource = (kind: 'entry' | 'agent', given: ReadonlyMap<string, string>) => Promise<readonly string[]>;

/** What can be got is more than what can be described, changed or deleted. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  get: ['entries', 'agents', 'losses', 'alerts', 'rollouts', 'settings', 'entry', 'agent'],
  describe: ['entry', 'agent'],
  pause: ['entry', 'agent'],
  resume: ['entry', 'agent'],
  limit: ['entry', 'agent'],
  drain: ['agent'],
  loglevel: ['agent'],
  diagnostics: ['agent'],
  delete: ['entry', 'agent'],
  forget: ['agent'],
};

/** Completes the last of `words`, which are those behind the program's name; it may be empty. */
export async function complete(root: CommandSpec, words: readonly string[], names: NameSource): Promise<Completion> {
  const line = readLine(root, words);
  const values = async (what: ValueOf) => {
    const { texts, files } = await valuesOf(what, line.positionals, (kind) => names(kind, line.given));
    const unused = texts.filter((text) => !line.positionals.includes(text));
    return { candidates: unused.map((text) => ({ text: line.prefix + text, description: '' })), files };
  };
  const completion = line.option
    ? await values({ command: line.command.name, name: optionValue(line.option), choices: line.option.choices })
    : line.current.startsWith('-')
      ? { candidates: line.options.flatMap(flagCandidates), files: false }
      : await positional(line, values);
  const start = line.prefix + line.current;
  return { ...completion, candidates: completion.candidates.filter(({ text }) => text.startsWith(start)) };
}

interface ValueOf {
  command: string;
  name: string;
  choices: readonly string[];
}

async function positional(
  { command, positionals }: ReturnType<typeof readLine>,
  values: (what: ValueOf) => Promise<Completion>,
): Promise<Completion> {
  if (command.commands.length > 0 && positionals.length === 0) {
    const candidates = command.commands.map(({ name, description }) => ({ text: name, description }));
    return { candidates, files: false };
  }
  const last = command.arguments.at(-1);
  const argument = command.arguments[positionals.length] ?? (last?.isVariadic ? last : undefined);
  return argument ? values({ command: command.name, ...argument }) : { candidates: [], files: false };
}

/** What a value can be, by what it is called in the command's usage. */
async function valuesOf(
  { command, name, choices }: ValueOf,
  [kind = '']: readonly string[],
  names: (kind: 'entry' | 'agent') => Promise<readonly string[]>,
): Promise<{ texts: readonly string[]; files: boolean }> {
  if (choices.length > 0) return { texts: choices, files: false };
  if (name === 'kind') return { texts: KINDS[command] ?? ['entry'], files: false };
  if (name === 'entry' || name === 'agent') return { texts: await names(name), files: false };
  if (name === 'name') return { texts: await namesOf(kind, names), files: false };
  return { texts: [], files: name === 'file' || name === 'folder' };
}

/** Behind `entry` its names; behind `entry/a` names written the same way. */
async function namesOf(
  kind: string,
  names: (kind: 'entry' | 'agent') => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const [word = '', name] = kind.split('/');
  const known = { entry: 'entry', entries: 'entry', agent: 'agent', agents: 'agent', settings: 'agent' } as const;
  const found = Object.hasOwn(known, word) ? await names(known[word as keyof typeof known]) : [];
  return name === undefined ? found : found.map((each) => `${word}/${each}`);
}

/** `--entry <name>` wants an entry, `--agent <id>` an agent; others what they say. */
function optionValue({ flags, value = '' }: OptionSpec): string {
  return ['entry', 'agent'].find((kind) => flags.includes(`--${kind}`)) ?? value;
}

function flagCandidates({ flags, description }: OptionSpec): Candidate[] {
  return flags.map((text) => ({ text, description }));
}
