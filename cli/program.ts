// The layers of cli/, top to bottom. Each folder imports only folders further down, none beside it:
//
//   main
//   program
//   commands                            options, help and action of each command
//   completion · explain · import ·     one feature each
//   rollouts · top · verify
//   kinds                               how each kind of resource is listed and shown
//     · entries                         entries in files: reading, comparing, pruning
//   rpc                                 the controller's API
//   output                              errors, messages, tables and documents
import { Command, Option } from 'commander';
import { version } from '../runtime/version.ts';
import { applyCommand } from './commands/apply.ts';
import { parseDurationArgument } from './commands/arguments.ts';
import { auditCommand } from './commands/audit.ts';
import { type CommandContext, createContext } from './commands/command-context.ts';
import { commonExitCodes, describeArgument, describeOption, withHelp } from './commands/command-help.ts';
import { completeCommand, completionCommand } from './commands/completion.ts';
import { deleteCommand } from './commands/delete.ts';
import { describeCommand } from './commands/describe.ts';
import { diagnosticsCommand } from './commands/diagnostics.ts';
import { diffCommand } from './commands/diff.ts';
import { drainCommand } from './commands/drain.ts';
import { explainCommand } from './commands/explain.ts';
import { forgetCommand } from './commands/forget.ts';
import { getCommand } from './commands/get.ts';
import { historyCommand } from './commands/history.ts';
import { importCommand } from './commands/import.ts';
import { limitCommand } from './commands/limit.ts';
import { loglevelCommand } from './commands/loglevel.ts';
import { optionsCommand } from './commands/options.ts';
import { pauseCommand, resumeCommand } from './commands/pause.ts';
import { previewCommand } from './commands/preview.ts';
import { restartCommand } from './commands/restart.ts';
import { rewindCommand } from './commands/rewind.ts';
import { rollbackCommand } from './commands/rollback.ts';
import { rolloutCommand } from './commands/rollout.ts';
import { tapCommand } from './commands/tap.ts';
import { topCommand } from './commands/top.ts';
import { verifyCommand } from './commands/verify.ts';

/** The commands in the groups that `logfleet --help` shows. */
const groups: Readonly<Record<string, readonly ((context: CommandContext) => Command)[]>> = {
  'Look at the fleet:': [getCommand, describeCommand, topCommand],
  'Change entries:': [applyCommand, deleteCommand, rolloutCommand, importCommand],
  'Review changes:': [historyCommand, diffCommand, rollbackCommand, auditCommand],
  'Work with lines:': [previewCommand, tapCommand, rewindCommand, verifyCommand],
  'Control agents:': [pauseCommand, resumeCommand, limitCommand, drainCommand, restartCommand, forgetCommand],
  'Troubleshoot agents:': [loglevelCommand, diagnosticsCommand],
  'Other commands:': [explainCommand, completionCommand, optionsCommand],
};

/** The command line. `write` receives standard output. */
export function createProgram(write: (text: string) => void): Command {
  const program = new Command('logfleet')
    .usage('[options] <command>')
    .helpOption('-h, --help', 'show this help')
    .version(version, '--version', 'print the version')
    .addOption(
      new Option('--controller <host:port,...>', 'controllers; the first one that serves is used')
        .env('LOGFLEET_CONTROLLER')
        .default('127.0.0.1:7070'),
    )
    .addOption(
      new Option('--timeout <duration>', "how long to wait for a response, or for a stream's first message")
        .argParser(parseDurationArgument)
        .default(10_000, '10s'),
    )
    .option('--tls', 'use TLS (env: LOGFLEET_TLS=true)')
    .addOption(new Option('--ca-file <file>', 'certificate authorities to trust; implies TLS').env('LOGFLEET_CA_FILE'))
    .addOption(new Option('--cert-file <file>', 'client certificate; implies TLS').env('LOGFLEET_CERT_FILE'))
    .addOption(new Option('--key-file <file>', 'private key of the client certificate').env('LOGFLEET_KEY_FILE'))
    .addOption(
      new Option('--author <name>', 'author of changes, unless a client certificate names one')
        .env('LOGFLEET_AUTHOR')
        .default(undefined, 'user@host'),
    )
    .showHelpAfterError('(see --help)')
    .exitOverride()
    .configureHelp({
      subcommandTerm: (command) => command.name(),
      optionDescription: describeOption,
      argumentDescription: describeArgument,
    })
    .configureOutput({ writeOut: write });
  const context = createContext(program, write);
  for (const [heading, commands] of Object.entries(groups)) {
    program.commandsGroup(heading);
    for (const build of commands) program.addCommand(build(context));
  }
  addHelpCommand(program);
  program.addCommand(completeCommand(context), { hidden: true });
  inheritSettings(program);
  return withHelp(program, {
    summary: 'manage what a fleet collects and see how it is doing',
    examples: [
      ['Collect the files of an entry', 'logfleet apply -f entry.yaml'],
      ['Show what is collected, and how it is doing', 'logfleet get entries -o wide'],
      ['Show the agents that are furthest behind', 'logfleet top agents'],
      ['Show lines as they are collected', 'logfleet tap entry nginx-access'],
    ],
    exitCodes: commonExitCodes,
  });
}

function addHelpCommand(command: Command): void {
  command.helpCommand('help [command]', 'show the help of a command');
}

/** commander passes settings on only to commands that it creates itself. */
function inheritSettings(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command);
    if (child.commands.length > 0) addHelpCommand(child);
    inheritSettings(child);
  }
}
