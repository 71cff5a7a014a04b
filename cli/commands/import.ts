import { Command, Option } from 'commander';
import { type ImportOptions, importCourseJson, importIni } from '../import/import-entries.ts';
import { filenameOption, selectorOption } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';

const EXIT_CODES = [
  [0, 'everything was converted'],
  [1, 'some items could not be converted; the others were'],
  [2, 'the command line or a file is invalid'],
  [3, 'the controller or etcd is unreachable'],
] as const;

/** `logfleet import course-json|ini` */
export function importCommand(context: CommandContext): Command {
  const command = new Command('import').addCommand(courseJsonCommand(context)).addCommand(iniCommand(context));
  return withHelp(command, {
    summary: 'convert the configuration of another log agent to entries',
    details: ['It converts lists of paths and topics, which are JSON in etcd or in files, and ini files.'],
    examples: [
      ['Convert a key of etcd', 'logfleet import course-json --key /app/collect --etcd etcd:2379 --dry-run'],
      ['Convert an ini file', 'logfleet import ini -f conf.ini --dry-run'],
    ],
  });
}

function courseJsonCommand({ withApi, write }: CommandContext): Command {
  const command = new Command('course-json')
    .option('--key <key>', 'key in etcd; %s, {ip} or * stands for the host')
    .addOption(filenameOption())
    .action((options: ImportOptions) => withApi((api) => importCourseJson(api, options, write)));
  return withHelp(addCommonOptions(command), {
    summary: 'convert lists of paths and topics, in etcd or in files',
    details: [
      'A list is [{"path": "/var/log/nginx.log", "topic": "nginx_log"}, …]; log_path and similar names are accepted.',
      'If the key contains a host, its entries select that host. A host that is an address is looked up among the agents.',
      'Importing again changes nothing. Paths, topic and selector are taken from the list; other fields of an entry keep what was set since.',
    ],
    examples: [
      [
        'Show what a key would be converted to',
        'logfleet import course-json --key /app/collect --etcd etcd:2379 --dry-run',
      ],
      ['Convert one key per host', 'logfleet import course-json --key /app/%s/collect'],
      [
        'Convert keys whose hosts are in the label ip',
        'logfleet import course-json --key /app/%s/collect --host-label ip',
      ],
      ['Convert a file to entries in YAML', 'logfleet import course-json -f collect.json -o yaml > entries.yaml'],
    ],
    exitCodes: EXIT_CODES,
  });
}

function iniCommand({ withApi, write }: CommandContext): Command {
  const command = new Command('ini')
    .addOption(new Option('-f, --filename <file...>', 'ini files, or - for standard input').makeOptionMandatory())
    .action((options: ImportOptions) => withApi((api) => importIni(api, options, write)));
  return withHelp(addCommonOptions(command), {
    summary: 'convert ini files, and the key in etcd that they name',
    details: [
      '[taillog] filename and [kafka] topic become an entry. [etcd] address and key are read as by import course-json. [kafka] address is reported, because brokers are a setting of the agents.',
    ],
    examples: [
      ['Show what a file would be converted to', 'logfleet import ini -f conf.ini --dry-run'],
      [
        'Convert a file with relative paths for one host',
        'logfleet import ini -f conf.ini --base-dir /opt/logagent -l host=web-17',
      ],
    ],
    exitCodes: EXIT_CODES,
  });
}

function addCommonOptions(command: Command): Command {
  return command
    .option('--etcd <host:port,...>', 'the etcd with the key (default: 127.0.0.1:2379, or from the ini file)')
    .addOption(new Option('--etcd-user <name:password>', 'login for etcd').env('LOGFLEET_IMPORT_ETCD_USER'))
    .option('--host-from-key', 'the key is for one host: the address it contains, or its last part')
    .option('--host-label <label>', 'the agent label that holds the host of a key (default: host)')
    .addOption(selectorOption('only for agents whose labels match'))
    .option('--base-dir <folder>', 'folder that relative paths start from')
    .option('--start <where>', 'where to start in existing files: beginning, end or a time', 'end')
    .option('--dry-run', 'show what would be written, and write nothing')
    .addOption(
      new Option('-o, --output <format>', 'print the entries instead of writing them').choices(['yaml', 'json']),
    );
}
