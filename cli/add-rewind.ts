import { type Command, Option } from 'commander';
import { one } from './add-questions.ts';
import { type RewindOptions, rewind } from './commands/rewind.ts';
import type { ControllerApi } from './rpc/client.ts';

const REWIND_HELP = `
Lines go to Kafka once more, each once, with the header logfleet.replay; what is new goes on beside them. From a time: from where
the agent had come then; a file that it met later is sent from its beginning, and one that was last changed before it not at all.
A position in the middle of a line means the line's beginning. What can't be sent once more, for its file is gone, is told.

Examples:
  logfleet rewind entry nginx-access --since 10m --dry-run
  logfleet rewind entry nginx-access --to-time 2026-11-26T10:00:00Z -l env=prod --reason "the indexer lost a day"
  logfleet rewind entry nginx-access --to-beginning --agent web-17 --path "/var/log/nginx/access.log*"
  logfleet rewind entry nginx-access --to-position 4711 --generation 0f3a5c7e9b1d2f48
`;

/** The command that sends lines once more. */
export function addRewind(
  program: Command,
  write: (text: string) => void,
  withApi: (body: (api: ControllerApi) => Promise<void>) => Promise<void>,
  parseDuration: (text: string) => number,
): void {
  program
    .command('rewind <kind> [name...]')
    .description('set positions of an entry back: lines go to Kafka once more, marked')
    .option('--to-beginning', "from the files' beginnings")
    .addOption(new Option('--to-position <position>', 'from a position of one generation'))
    .option('--generation <id>', 'with --to-position: of which')
    .option('--to-time <time>', 'from where agents were then, such as 2026-11-26T10:00:00Z')
    .addOption(new Option('--since <duration>', 'from where agents were so long ago').argParser(parseDuration))
    .addOption(new Option('-l, --selector <selector>', 'only agents whose labels match').default(''))
    .option('--agent <id>', 'only this agent')
    .option('--path <glob...>', 'only files at these paths')
    .option('--dry-run', 'tell what would be sent, and send nothing')
    .option('--allow-unmarked', 'with headers: none, too, where no record says that it comes once more')
    .option('--replay-id <id>', 'asked again with the same one, no agent does it twice')
    .option('--reason <text>', 'why, for the log')
    .addHelpText('after', REWIND_HELP)
    .action((kind: string, names: string[], options: RewindOptions) =>
      withApi((api) => {
        const timeoutMs = program.opts<{ timeout: number }>().timeout;
        return rewind(api, one('entry', [kind, ...names]), { ...options, timeoutMs }, write);
      }),
    );
}
