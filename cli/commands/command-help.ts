import type { Command, Help } from 'commander';
import { kinds } from '../kinds/kinds.ts';
import { KindArgument } from './arguments.ts';

const DEFAULT_WIDTH = 80;

/** What the help of a command says. */
export interface CommandHelp {
  /** One line, for the list of commands and the top of the command's own help. */
  summary: string;
  /** Paragraphs below the summary. */
  details?: readonly string[];
  /** Commands to copy, each with a comment. */
  examples: readonly (readonly [comment: string, command: string])[];
  /** Where they mean more than those of all commands. */
  exitCodes?: readonly (readonly [code: number, meaning: string])[];
}

/** The exit codes of all commands. */
export const commonExitCodes = [
  [0, 'success'],
  [1, 'the request was refused, or a resource does not exist'],
  [2, 'the command line or its input is invalid'],
  [3, 'the controller, an agent or Kafka is unreachable'],
] as const;

/** Gives a command its help. */
export function withHelp(command: Command, { summary, details = [], examples, exitCodes = [] }: CommandHelp): Command {
  return command
    .summary(summary)
    .description([`${capitalised(summary)}.`, ...details].join('\n\n'))
    .addHelpText('after', () => {
      const help = helpOf(command);
      return [
        ...listSection(help, 'Kinds:', kindItems(command)),
        ...listSection(help, 'Exit codes:', exitCodes),
        ...(examples.length > 0 ? ['', 'Examples:', ...examples.flatMap((each) => exampleLines(help, each))] : []),
      ].join('\n');
    });
}

/** A heading and `term  description` lines, wrapped and aligned. */
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
  help.prepareContext({ helpWidth: command.configureOutput().getOutHelpWidth?.() ?? DEFAULT_WIDTH });
  return help;
}

function kindItems(command: Command): [string, string][] {
  const argument = command.registeredArguments.find((each) => each instanceof KindArgument);
  return (argument?.kinds ?? []).map((name) => {
    const { singular, plural, summary } = kinds[name];
    return [singular === plural ? plural : `${plural}, ${singular}`, summary];
  });
}

function exampleLines(help: Help, [comment, command]: readonly [string, string]): string[] {
  const wrapped = help.boxWrap(comment, (help.helpWidth ?? DEFAULT_WIDTH) - 4);
  return [...wrapped.split('\n').map((line) => `  # ${line}`), `  ${command}`, ''];
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
