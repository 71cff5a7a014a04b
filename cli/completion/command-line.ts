import type { CommandSpec, OptionSpec } from './candidates.ts';

/** A command line as far as it is written. */
export interface ReadLine {
  command: CommandSpec;
  positionals: readonly string[];
  /** What may be given here: the command's options, and those of the commands around it. */
  options: readonly OptionSpec[];
  /** The values of options, by flag; '' of one without a value. */
  given: ReadonlyMap<string, string>;
  /** The option whose value is being written. */
  option: OptionSpec | undefined;
  /** The word being written, as far as it counts, and what stands before that in the same word. */
  current: string;
  prefix: string;
}

/**
 * Reads the words behind the program's name, the last of which is being written. Bash makes three words of `--output=wide`, the other shells
 * one: both are understood.
 */
export function readLine(root: CommandSpec, words: readonly string[]): ReadLine {
  const before = words.slice(0, -1);
  const last = words.at(-1) ?? '';
  const given = new Map<string, string>();
  const positionals: string[] = [];
  let command = root;
  let options = root.options;
  let open: { option: OptionSpec; isGiven: boolean } | undefined;
  for (const word of before) {
    if (word === '=' && open) continue;
    if (open && (!open.isGiven || !word.startsWith('-'))) {
      for (const flag of open.option.flags) given.set(flag, word);
      open = open.option.isVariadic ? { ...open, isGiven: true } : undefined;
      continue;
    }
    open = undefined;
    const { option, value } = optionIn(word, options);
    if (option && value !== undefined) for (const flag of option.flags) given.set(flag, value);
    else if (option?.value !== undefined) open = { option, isGiven: false };
    else if (option) for (const flag of option.flags) given.set(flag, '');
    else if (!word.startsWith('-')) {
      const next = positionals.length === 0 ? command.commands.find(({ name }) => name === word) : undefined;
      if (next) {
        command = next;
        options = [...next.options, ...options];
      } else positionals.push(word);
    }
  }
  const inline = optionIn(last, options);
  const shared = { command, positionals, options, given };
  if (open && !(open.isGiven && last.startsWith('-')))
    return { ...shared, option: open.option, current: last === '=' ? '' : last, prefix: '' };
  if (inline.option && inline.value !== undefined)
    return { ...shared, option: inline.option, current: inline.value, prefix: last.slice(0, last.indexOf('=') + 1) };
  return { ...shared, option: undefined, current: last, prefix: '' };
}

/** `--output`, or `--output=wide` with its value. */
function optionIn(word: string, options: readonly OptionSpec[]): { option?: OptionSpec | undefined; value?: string } {
  const [, flag = '', value] = /^(--?[^=]+)(?:=(.*))?$/s.exec(word) ?? [];
  const option = options.find(({ flags }) => flags.includes(flag));
  return value === undefined ? { option } : { option, value };
}
