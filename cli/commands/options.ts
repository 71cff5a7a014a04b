import { Command } from 'commander';
import type { CommandContext } from './command-context.ts';
import { commonExitCodes, helpOf, listSection, withHelp } from './command-help.ts';

/** Read beside the options, which name variables of their own. */
const VARIABLES = [
  ['LOGFLEET_TLS', 'true: use TLS, as --tls does'],
  ['LOGFLEET_NODE', 'path of the Node.js to run with, version 24 or newer'],
  ['NO_COLOR', 'not empty: print errors without color'],
] as const;

/** `logfleet options`: what every command accepts, as `kubectl options` shows it. */
export function optionsCommand({ write }: CommandContext): Command {
  const command = new Command('options').action(() => {
    const root = command.parent ?? command;
    const help = helpOf(root);
    const options = help.visibleOptions(root).filter(({ long }) => long !== '--version');
    const items = options.map((option) => [help.optionTerm(option), help.optionDescription(option)] as const);
    const sections = [
      'These options may be given to any command, before or after its name.',
      ...listSection(help, 'Global options:', items),
      ...listSection(help, 'Environment variables:', VARIABLES),
      ...listSection(help, 'Exit codes:', commonExitCodes),
    ];
    write(`${sections.join('\n')}\n`);
  });
  return withHelp(command, {
    summary: 'list the options that every command accepts',
    examples: [['List the global options', 'logfleet options']],
  });
}
