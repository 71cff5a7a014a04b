import { type Command, Option } from 'commander';
import { type ImportOptions, importCourseJson, importIni } from './commands/import.ts';
import type { ControllerApi } from './rpc/client.ts';

const COURSE_HELP = `
The value, or the file, is [{"path": "/var/log/nginx.log", "topic": "nginx_log"}, …]; log_path and the like are taken, too.
A key may have a place for the host, as %s, \${ip} or *: then the entries of each key are for that host alone, and an address
is looked up among the agents. What can't be taken is told, with the reason, and the exit code is 1; the rest is made.
Again, nothing changes. An entry's filter and whatever else was set since stays.

Examples:
  logfleet import course-json --key /logagent/collect_config --etcd 10.0.0.5:2379 --dry-run
  logfleet import course-json --key /logagent/%s/collect_config --etcd 10.0.0.5:2379
  logfleet import course-json --key /logagent/%s/collect_config --host-label ip
  logfleet import course-json -f collect.json -l role=web -o yaml > entries.yaml
`;

const INI_HELP = `
[taillog] filename and [kafka] topic become an entry; [etcd] address and key are read as import course-json does; [kafka]
address is told, for it is the agents' setting. Comments, quotes and Windows' line ends are understood.

Examples:
  logfleet import ini -f conf.ini --dry-run
  logfleet import ini -f conf/config.ini --base-dir /opt/logagent --selector host=web-17
`;

/** `logfleet import`: takes over what the log agents of the well-known Go course collected. */
export function addImport(
  program: Command,
  write: (text: string) => void,
  withApi: (body: (api: ControllerApi) => Promise<void>) => Promise<void>,
): void {
  const command = program.command('import').description('make entries of what another log agent was told to collect');
  const json = command
    .command('course-json')
    .description('of lists of path and topic, in etcd or in files')
    .option('--key <key>', 'the key in etcd, with or without a place for the host')
    .option('-f, --filename <file...>', 'files with such a list, or - for standard input')
    .addHelpText('after', COURSE_HELP);
  const ini = command
    .command('ini')
    .description('of ini files, and of the key in etcd that they name')
    .requiredOption('-f, --filename <file...>', 'ini files, or - for standard input')
    .addHelpText('after', INI_HELP);
  const runs = [
    [json, importCourseJson],
    [ini, importIni],
  ] as const;
  for (const [sub, run] of runs)
    withCommonOptions(sub).action((options: ImportOptions) => withApi((api) => run(api, options, write)));
}

function withCommonOptions(command: Command): Command {
  return command
    .option('--etcd <host:port,...>', 'the etcd that has the key (default: 127.0.0.1:2379, or what the ini file says)')
    .addOption(new Option('--etcd-user <name:password>', 'who logs in to that etcd').env('LOGFLEET_IMPORT_ETCD_USER'))
    .option('--host-from-key', 'the key is of one host: the address in it, or its last part')
    .option('--host-label <label>', "the agents' label that has what the keys call a host (default: host)")
    .option('-l, --selector <selector>', 'only for agents whose labels match')
    .option('--base-dir <folder>', 'where paths begin that are not absolute')
    .option('--start <where>', 'where to begin in files that are there: beginning, end or a time', 'end')
    .option('--dry-run', 'tell what would be made, and write nothing')
    .addOption(new Option('-o, --output <format>', 'print the entries, and write nothing').choices(['yaml', 'json']));
}
