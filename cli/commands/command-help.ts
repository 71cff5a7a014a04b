import type { Argument, Command, Help, Option } from 'commander';
import { kinds } from '../kinds/kinds.ts';
import { KindArgument } from './arguments.ts';

/** The width where output is not a terminal. */
const DEFAULT_WIDTH = 80;

/** What the help of a command says. */
export interface CommandHelp {
  /** One line, for the list of commands and the top of the command's own help. */
  summary: string;
  /** Paragraphs below the summary. */
  details?: readonly string[];
  /** Commands to copy, each with a comment. */
  examples: readonly (readonly [comment: string, command: string])[];
  /** Where they say more than `commonExitCodes`. */
  exitCodes?: readonly ExitCode[];
}

type ExitCode = readonly [code: number, meaning: string];

/** The exit codes of all commands. */
export const commonExitCodes: readonly ExitCode[] = [
  [0, 'success'],
  [1, 'the request was refused, or a resource does not exist'],
  [2, 'the command line or its input is invalid'],
  [3, 'the controller, an agent or Kafka is unreachable'],
];

/** Gives a command its help. */
export function withHelp(command: Command, { summary, details = [], examples, exitCodes = [] }: CommandHelp): Command {
  return command
    .summary(summary)
    .description([`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`, ...details].join('\n\n'))
    .addHelpText('after', () => {
      const help = helpOf(command);
      const sections = [
        ...listSection(help, 'Kinds:', kindItems(command)),
        ...listSection(help, 'Exit codes:', exitCodes),
        ...exampleSection(help, examples),
        ...globalOptionsSection(command, help),
      ];
      return sections.join('\n');
    });
}

/** A heading with `term  description` lines, wrapped and aligned. */
export function listSection(
  help: Help,
  heading: string,
  items: readonly (readonly [term: string | number, description: string])[],
): string[] {
  if (items.length === 0) return [];
  const width = Math.max(...items.map(([term]) => String(term).length));
  return ['', heading, ...items.map(([term, text]) => help.formatItem(String(term), width, text, help))];
}

/** The command's formatter, with the width of the terminal. */
export function helpOf(command: Command): Help {
  const help = command.createHelp();
  help.prepareContext({ helpWidth: helpWidthOf(command) });
  return help;
}

/** The width of the terminal. */
export function helpWidthOf(command: Command): number {
  return command.configureOutput().getOutHelpWidth?.() ?? DEFAULT_WIDTH;
}

/** `output format (one of: table, json; default: table)` */
export function describeOption(option: Option): string {
  const { description, argChoices, defaultValue, envVar, required } = option;
  const fallback = option.defaultValueDescription ?? (required ? defaultValue : undefined);
  return withNotes(description, [
    argChoices ? `one of: ${argChoices.join(', ')}` : '',
    fallback === undefined ? '' : `default: ${fallback}`,
    envVar === undefined ? '' : `env: ${envVar}`,
  ]);
}

/** `log level (one of: debug, info, warn, error)` */
export function describeArgument({ description, argChoices }: Argument): string {
  return withNotes(description, [argChoices ? `one of: ${argChoices.join(', ')}` : '']);
}

function withNotes(description: string, notes: readonly string[]): string {
  const given = notes.filter(Boolean).join('; ');
  return given === '' ? description : `${description} (${given})`;
}

/** A single kind needs no list: the description of the argument names it. */
function kindItems(command: Command): [string, string][] {
  const argument = command.registeredArguments.find((each) => each instanceof KindArgument);
  const names = argument?.kinds ?? [];
  if (names.length < 2) return [];
  return names.map((name) => {
    const { singular, plural, summary } = kinds[name];
    return [singular === plural ? plural : `${plural}, ${singular}`, summary];
  });
}

/** Comments are wrapped; commands are not, because a line is copied as a whole. */
function exampleSection(help: Help, examples: CommandHelp['examples']): string[] {
  if (examples.length === 0) return [];
  const lines = examples.map(([comment, command]) =>
    [...wrapped(help, comment, '  # '), ...command.split('\n').map((line) => `  ${line}`)].join('\n'),
  );
  return ['', 'Examples:', lines.join('\n\n')];
}

/** Names the options of the program, which every subcommand accepts. */
function globalOptionsSection(command: Command, help: Help): string[] {
  let root = command;
  while (root.parent) root = root.parent;
  if (root === command) return [];
  const names = root.options.flatMap(({ long }) => (long === '--version' ? [] : (long ?? [])));
  const pointer = `${names.join(', ')}; see "${root.name()} options".`;
  return ['', 'Global options:', ...wrapped(help, pointer, '  ')];
}

function wrapped(help: Help, text: string, indent: string): string[] {
  const lines = help.boxWrap(text, (help.helpWidth ?? DEFAULT_WIDTH) - indent.length).split('\n');
  return lines.map((line) => indent + line);
}
