import type { CommandSpec, OptionSpec } from './command-spec.ts';

/** A partly written command line. */
export interface CommandLine {
  command: CommandSpec;
  positionals: readonly string[];
  /** The options of the command and of its parents. */
  options: readonly OptionSpec[];
  /** The values of options by flag; '' for a flag without a value. */
  given: ReadonlyMap<string, string>;
  /** The option whose value is being written. */
  option: OptionSpec | undefined;
  /**
   * The part of the last word to complete, and what precedes it in that word, such as `--output=`.
   */
  current: string;
  prefix: string;
}

/**
 * Parses the words after the program's name; the last one is being written. Bash splits
 * `--output=wide` into three words, other shells pass one.
 */
export function parseLine(root: CommandSpec, words: readonly string[]): CommandLine {
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
