// Writes docs/cli.md: a part of `npm run generate`.
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createProgram } from '../cli/program.ts';

export const cliPageFile = join(dirname(fileURLToPath(import.meta.url)), '..', 'docs', 'cli.md');

const NOTE = `<!-- Do not edit. "npm run generate" makes this page from the help of the commands. -->

# The command \`logfleet\`

This page contains the help of each command, as \`logfleet COMMAND --help\` prints it. Commands send
requests to a controller, which \`--controller\` or the variable \`LOGFLEET_CONTROLLER\` names. Only
\`verify\` needs no controller: it reads Kafka. \`logfleet completion\` prints a script that completes
commands, options and names with Tab.
`;

/** The text of docs/cli.md: the help of each command, in the order of \`logfleet --help\`. */
export function cliPage() {
  let written = '';
  const program = createProgram((text) => {
    written += text;
  });
  const capture = (print) => {
    written = '';
    print();
    return written.trimEnd();
  };
  const pages = [program, ...program.commands.flatMap(withSubcommands)].filter(isShown).map((command) => {
    const name = fullName(command);
    return `## ${name}\n\n\`\`\`text\n${capture(() => command.outputHelp())}\n\`\`\`\n`;
  });
  return `${[NOTE, ...pages].join('\n')}`;
}

function withSubcommands(command) {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

function isShown(command) {
  return command.description() !== '';
}

function fullName(command) {
  return command.parent ? `${fullName(command.parent)} ${command.name()}` : command.name();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(cliPageFile, cliPage());
