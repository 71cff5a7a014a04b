import { Command, Option } from 'commander';
import { WatchChangesResponse } from '../../proto/gen/logfleet/v1/entry_service.ts';
import type { EntryVersion } from '../../proto/gen/logfleet/v1/entry_version.ts';
import { entryName, shortEntryName } from '../../proto/rules/names.ts';
import { versionView } from '../kinds/versions.ts';
import { printWarning } from '../output/messages.ts';
import { type Column, Table } from '../output/table.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { outputOption, parseRevisionArgument } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';

interface AuditOptions {
  /** Continue with later changes. */
  follow?: boolean;
  output: 'table' | 'json';
  fromRevision: bigint;
  entry?: string;
}

/** The rows that decide how wide the columns are. */
const FIRST_ROWS_MAX = 1_000;

const columns: readonly Column<EntryVersion>[] = [
  { title: 'TIME', value: ({ time }) => time?.toISOString() ?? '-' },
  { title: 'ENTRY', value: ({ name }) => shortEntryName(name) },
  ...versionView.columns.filter(({ title }) => title !== 'AGE'),
];

/** `logfleet audit` */
export function auditCommand(context: CommandContext): Command {
  const command = new Command('audit')
    .option('--follow', 'continue with every further change')
    .option('--entry <name>', 'only changes of this entry')
    .addOption(
      new Option('--from-revision <revision>', 'the first revision to show')
        .argParser(parseRevisionArgument)
        .default(1n, 'the oldest stored'),
    )
    .addOption(outputOption(['table', 'json'], 'table'))
    .action((options: AuditOptions) => context.withApi((api) => audit(api, options, context.write)));
  return withHelp(command, {
    summary: 'list all stored changes of all entries, oldest first',
    details: ['JSON output is one WatchChangesResponse per line.'],
    examples: [
      ['Show who changed what, and why', 'logfleet audit'],
      ['Export changes as they happen', 'logfleet audit --follow -o json >> audit.jsonl'],
      ['Continue an export', 'logfleet audit -o json --from-revision 4711'],
    ],
  });
}

async function audit(
  api: ControllerApi,
  { follow = false, output, fromRevision, entry }: AuditOptions,
  write: (text: string) => void,
): Promise<void> {
  const request = { fromRevision, name: entry === undefined ? '' : entryName(entry) };
  const table = new AuditTable(write);
  const end = new AbortController();
  try {
    for await (const change of api.follow(api.entries.watchChanges(request, { signal: end.signal }))) {
      const { kind, version } = change;
      if (kind === 'KIND_TRIMMED') printWarning(trimmedText(change));
      if (output === 'json' && kind !== 'KIND_SYNCED')
        write(`${JSON.stringify(WatchChangesResponse.toJSON(change))}\n`);
      else if (output === 'table' && version) table.add(version);
      if (kind !== 'KIND_SYNCED') continue;
      if (output === 'table') table.show();
      if (!follow) return;
    }
  } finally {
    end.abort();
  }
}

/** Buffers the first rows to compute the widths, then prints each row at once. */
class AuditTable {
  readonly #write: (text: string) => void;
  readonly #table = new Table(columns);
  #buffered: EntryVersion[] | undefined = [];

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  add(version: EntryVersion): void {
    if (!this.#buffered) this.#write(this.#table.row(version));
    else if (this.#buffered.push(version) === FIRST_ROWS_MAX) this.show();
  }

  show(): void {
    if (this.#buffered) this.#write(this.#table.render(this.#buffered));
    this.#buffered = undefined;
  }
}

function trimmedText({ name, revision }: WatchChangesResponse): string {
  if (name === '') return `entries deleted up to revision ${revision} may be missing: their history has been trimmed`;
  return `changes of ${name} up to revision ${revision} are missing: its history has been trimmed`;
}
