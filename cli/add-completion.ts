import { Argument, type Command } from 'commander';
import { type CommandSpec, complete } from './completion/candidates.ts';
import { controllerNames } from './completion/controller-names.ts';
import { completionScripts } from './completion/scripts.ts';
import type { ConnectionOptions } from './rpc/client.ts';

const HELP = `
Examples:
  source <(logfleet completion bash)        in ~/.bashrc
  source <(logfleet completion zsh)         in ~/.zshrc, behind compinit
  logfleet completion fish > ~/.config/fish/completions/logfleet.fish
`;

/** `logfleet completion SHELL`, and what its scripts ask. */
export function addCompletion(program: Command, write: (text: string) => void): void {
  const shells = Object.keys(completionScripts) as (keyof typeof completionScripts)[];
  program
    .command('completion')
    .description('print a script for the shell: Tab completes commands, flags, and names that the controller knows')
    .addArgument(new Argument('<shell>', 'which').choices(shells))
    .addHelpText('after', HELP)
    .action((shell: keyof typeof completionScripts) => write(completionScripts[shell]));
  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .action(async (words: string[]) => {
      const names = controllerNames(program.opts<ConnectionOptions>());
      const { candidates, files } = await complete(specOf(program), words, names);
      for (const { text, description } of candidates) write(`${text}\t${description}\n`);
      if (files) write(':files\n');
    });
}

/** A command and all below it. */
function specOf(command: Command): CommandSpec {
  const help = command.createHelp();
  return {
    name: command.name(),
    description: command.description(),
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
      choices: argument.argChoices ?? [],
    })),
    commands: help
      .visibleCommands(command)
      .filter((each) => each.name() !== 'help')
      .map(specOf),
  };
}
