import { Command } from 'commander';
import type { CommandContext } from './command-context.ts';
import { commonExitCodes, helpOf, listSection, withHelp } from './command-help.ts';

/** `logfleet options`, as kubectl has it: what every command accepts, and what all exit codes mean. */
export function optionsCommand({ write }: CommandContext): Command {
  const command = new Command('options').action(() => {
    const root = command.parent ?? command;
    const help = helpOf(root);
    const options = help.visibleOptions(root);
    const sections = [
      ...listSection(
        help,
        'Global options, before or after the command:',
        options.map((option) => [help.optionTerm(option), help.optionDescription(option)]),
      ),
      ...listSection(help, 'Exit codes:', commonExitCodes),
    ];
    write(`${sections.slice(1).join('\n')}\n`);
  });
  return withHelp(command, {
    summary: 'list the options that every command accepts',
    examples: [['List the global options', 'logfleet options']],
  });
}
