import { Argument, Command } from 'commander';
import { complete } from '../completion/candidates.ts';
import type { Choices, CommandSpec } from '../completion/command-spec.ts';
import { controllerNames } from '../completion/controller-names.ts';
import { completionScripts } from '../completion/scripts.ts';
import { KindArgument } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';
import { FieldPathArgument } from './explain.ts';

type Shell = keyof typeof completionScripts;

/** `logfleet completion SHELL` */
export function completionCommand({ write }: CommandContext): Command {
  const shells = Object.keys(completionScripts) as Shell[];
  const command = new Command('completion')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .action((shell: Shell) => write(completionScripts[shell]));
  return withHelp(command, {
    summary: 'print a completion script for a shell',
    details: ['Tab completes commands, options, and names of entries and agents that the controller knows.'],
    examples: [
      ['In ~/.bashrc', 'source <(logfleet completion bash)'],
      ['In ~/.zshrc, after compinit', 'source <(logfleet completion zsh)'],
      ['For fish', 'logfleet completion fish > ~/.config/fish/completions/logfleet.fish'],
    ],
  });
}

/** `logfleet __complete WORD…`: what the completion scripts call. */
export function completeCommand({ write, connection }: CommandContext): Command {
  const command = new Command('__complete');
  return command.argument('[words...]').action(async (words: string[]) => {
    const root = command.parent ?? command;
    const { candidates, files } = await complete(specOf(root), words, controllerNames(connection()));
    for (const { text, description } of candidates) write(`${text}\t${description}\n`);
    if (files) write(':files\n');
  });
}

/** The command and its subcommands, as completion needs them. */
function specOf(command: Command): CommandSpec {
  const help = command.createHelp();
  return {
    name: command.name(),
    description: command.summary(),
    options: help.visibleOptions(command).map(({ short, long, description, flags, variadic, argChoices }) => ({
      flags: [short, long].filter((flag) => flag !== undefined),
      description,
      value: /[<[]([^\]>.,]+)/.exec(flags)?.[1],
      isVariadic: variadic,
      choices: argChoices ?? [],
    })),
    arguments: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      isVariadic: argument.variadic,
      choices: choicesOf(argument),
    })),
    commands: help
      .visibleCommands(command)
      .filter((each) => each.name() !== 'help')
      .map(specOf),
  };
}

function choicesOf(argument: Argument): Choices {
  if (argument instanceof FieldPathArgument) return (current) => argument.completions(current);
  return argument instanceof KindArgument ? argument.completions : (argument.argChoices ?? []);
}
