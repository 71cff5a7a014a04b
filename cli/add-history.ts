import { type Command, InvalidArgumentError, Option } from 'commander';
import { type AuditOptions, audit } from './commands/audit.ts';
import { type DiffOptions, diff } from './commands/diff.ts';
import { history } from './commands/history.ts';
import { type RollbackOptions, rollback } from './commands/rollback.ts';
import type { ControllerApi } from './rpc/client.ts';

const HISTORY_HELP = `
An author with a question mark is what the writer said of itself; without one, a name in a verified certificate.

Examples:
  logfleet history entry nginx-access
  logfleet history entry nginx-access -o json   with each version's entry
`;

const DIFF_HELP = `
Exit code 0: no difference; 1: there is one; 2 and above: it could not be compared.

Examples:
  logfleet diff -f entries/                          what apply -f entries/ would change
  logfleet diff -f entries/ --prune -l managed-by=git   and what it would delete with --prune
  logfleet diff entry nginx-access --revision 4711   from then to now
  logfleet diff entry nginx-access --revision 4711 --to 4802
`;

const ROLLBACK_HELP = `
An entry that was deleted comes back as itself: each agent goes on where it stopped.

Examples:
  logfleet rollback entry nginx-access --to-revision 4711 --reason "too many lines"
  logfleet rollback entry nginx-access --to-revision 4711 --dry-run
`;

const AUDIT_HELP = `
Examples:
  logfleet audit                                who changed what, and why
  logfleet audit --follow -o json >> audit.jsonl
  logfleet audit -o json --from-revision 4711   from there on, to go on after an export
`;

/** The commands that tell of what was, and go back to it. */
export function addHistory(
  program: Command,
  write: (text: string) => void,
  withApi: (body: (api: ControllerApi) => Promise<void>) => Promise<void>,
): void {
  program
    .command('history <kind> [name]')
    .description('list the versions of an entry, also of a deleted one: who changed it, when and why')
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['table', 'json', 'yaml']).default('table'))
    .addHelpText('after', HISTORY_HELP)
    .action((kind: string, name: string | undefined, options: { output: 'table' | 'json' | 'yaml' }) =>
      withApi((api) => history(api, words(kind, name), options, write)),
    );
  program
    .command('diff [kind] [name]')
    .description('compare files with what is stored, or two versions of an entry')
    .option('-f, --filename <file...>', 'YAML or JSON files, folders of them, or - for standard input')
    .option('--prune', 'with -f: show what apply --prune would delete, too')
    .option('-l, --selector <selector>', 'with --prune: the labels of the entries that the files are all of')
    .option('--revision <revision>', 'the version to compare from')
    .option('--to <revision>', 'the version to compare to (default: the newest)')
    .addHelpText('after', DIFF_HELP)
    .action((kind: string | undefined, name: string | undefined, options: DiffOptions) =>
      withApi((api) => diff(api, words(kind, name), options, write)),
    );
  program
    .command('rollback <kind> [name]')
    .description('make an entry again what it was at a revision')
    .addOption(
      new Option('--to-revision <revision>', 'see logfleet history').argParser(parseRevision).makeOptionMandatory(),
    )
    .option('--reason <text>', 'why, for the history')
    .option('--dry-run', 'have the controller check it, and change nothing')
    .addHelpText('after', ROLLBACK_HELP)
    .action((kind: string, name: string | undefined, options: RollbackOptions) =>
      withApi((api) => rollback(api, words(kind, name), options, write)),
    );
  program
    .command('audit')
    .description('tell every change of every entry that is kept, in their order')
    .option('--follow', 'go on with every change')
    .option('--entry <name>', 'only of this entry')
    .addOption(new Option('--from-revision <revision>', 'where to begin').argParser(parseRevision).default(1n, 'all'))
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['table', 'json']).default('table'))
    .addHelpText('after', AUDIT_HELP)
    .action((options: AuditOptions) => withApi((api) => audit(api, options, write)));
}

function words(...given: (string | undefined)[]): string[] {
  return given.filter((word) => word !== undefined);
}

function parseRevision(text: string): bigint {
  if (!/^[1-9]\d{0,17}$/.test(text)) throw new InvalidArgumentError('give a revision, a whole number.');
  return BigInt(text);
}
