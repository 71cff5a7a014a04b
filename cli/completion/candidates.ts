import { type CommandLine, parseLine } from './command-line.ts';
import type { Choices, CommandSpec, OptionSpec } from './command-spec.ts';

export interface Candidate {
  text: string;
  description: string;
}

/** What may stand at the end of a command line. */
export interface Completion {
  candidates: Candidate[];
  /** Whether the shell adds file names. */
  files: boolean;
}

/**
 * Fetches the names of one kind. `given` has the options of the line by flag, which select the
 * controller.
 */
export type NameSource = (kind: 'entry' | 'agent', given: ReadonlyMap<string, string>) => Promise<readonly string[]>;

/** Completes the last of the words after the program's name. The last word may be empty. */
export async function complete(root: CommandSpec, words: readonly string[], names: NameSource): Promise<Completion> {
  const line = parseLine(root, words);
  const values = async ({ name, choices }: Placeholder) => {
    const fixed = typeof choices === 'function' ? choices(line.current) : choices;
    const { texts, files } = await valuesOf({ name, choices: fixed }, line.positionals, (kind) =>
      names(kind, line.given),
    );
    const unused = texts.filter((text) => !line.positionals.includes(text));
    return { candidates: unused.map((text) => ({ text: line.prefix + text, description: '' })), files };
  };
  const completion = line.option
    ? await values({ name: optionValue(line.option), choices: line.option.choices })
    : line.current.startsWith('-')
      ? { candidates: line.options.flatMap(flagCandidates), files: false }
      : await positional(line, values);
  const start = line.prefix + line.current;
  return { ...completion, candidates: completion.candidates.filter(({ text }) => text.startsWith(start)) };
}

/** The placeholder of a value and its choices. */
interface Placeholder {
  name: string;
  choices: Choices;
}

async function positional(
  { command, positionals }: CommandLine,
  values: (placeholder: Placeholder) => Promise<Completion>,
): Promise<Completion> {
  if (command.commands.length > 0 && positionals.length === 0) {
    const candidates = command.commands.map(({ name, description }) => ({ text: name, description }));
    return { candidates, files: false };
  }
  const last = command.arguments.at(-1);
  const argument = command.arguments[positionals.length] ?? (last?.isVariadic ? last : undefined);
  return argument ? values(argument) : { candidates: [], files: false };
}

/** The values that fit a placeholder. */
async function valuesOf(
  { name, choices }: { name: string; choices: readonly string[] },
  [kind = '']: readonly string[],
  names: (kind: 'entry' | 'agent') => Promise<readonly string[]>,
): Promise<{ texts: readonly string[]; files: boolean }> {
  if (choices.length > 0) return { texts: choices, files: false };
  if (name === 'entry' || name === 'agent') return { texts: await names(name), files: false };
  if (name === 'name') return { texts: await namesOf(kind, names), files: false };
  return { texts: [], files: name === 'file' || name === 'folder' };
}

/** After `entry` its names; after `entry/a` names with the same prefix. */
async function namesOf(
  kind: string,
  names: (kind: 'entry' | 'agent') => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const [word = '', name] = kind.split('/');
  const known = { entry: 'entry', entries: 'entry', agent: 'agent', agents: 'agent', settings: 'agent' } as const;
  const found = Object.hasOwn(known, word) ? await names(known[word as keyof typeof known]) : [];
  return name === undefined ? found : found.map((each) => `${word}/${each}`);
}

/** `--entry <name>` takes the name of an entry, and `--agent <id>` that of an agent. */
function optionValue({ flags, value = '' }: OptionSpec): string {
  return ['entry', 'agent'].find((kind) => flags.includes(`--${kind}`)) ?? value;
}

function flagCandidates({ flags, description }: OptionSpec): Candidate[] {
  return flags.map((text) => ({ text, description }));
}
