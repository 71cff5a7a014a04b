import { WatchChangesResponse } from '../../proto/gen/logfleet/v1/entry_service.ts';
import type { EntryVersion } from '../../proto/gen/logfleet/v1/entry_version.ts';
import { entryName } from '../../proto/rules/names.ts';
import { type Column, Table } from '../format.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { versionKind } from '../version-kind.ts';

export interface AuditOptions {
  /** Go on with what comes. */
  follow?: boolean;
  output: 'table' | 'json';
  fromRevision: bigint;
  entry?: string;
}

/** So many rows say how wide the columns are. */
const FIRST_ROWS = 1_000;

const COLUMNS: readonly Column<EntryVersion>[] = [
  { title: 'TIME', value: ({ time }) => time?.toISOString() ?? '-' },
  { title: 'ENTRY', value: ({ name }) => name.replace(/^entries\//, '') },
  ...versionKind.columns.filter(({ title }) => title !== 'AGE'),
];

/** `logfleet audit`: every change of every entry, in their order. JSON is a WatchChangesResponse in each line. */
export async function audit(
  api: ControllerApi,
  { follow = false, output, fromRevision, entry }: AuditOptions,
  write: (text: string) => void,
): Promise<void> {
  const request = { fromRevision, name: entry === undefined ? '' : entryName(entry) };
  const table = new AuditTable(write);
  const end = new AbortController();
  try {
    for await (const told of api.follow(api.entries.watchChanges(request, { signal: end.signal }))) {
      const { kind, version } = told;
      if (kind === 'KIND_TRIMMED') process.stderr.write(`warning: ${trimmedText(told)}\n`);
      if (output === 'json' && kind !== 'KIND_SYNCED') write(`${JSON.stringify(WatchChangesResponse.toJSON(told))}\n`);
      else if (output === 'table' && version) table.add(version);
      if (kind !== 'KIND_SYNCED') continue;
      if (output === 'table') table.show();
      if (!follow) return;
    }
  } finally {
    end.abort();
  }
}

class AuditTable {
  readonly #write: (text: string) => void;
  readonly #table = new Table(COLUMNS);
  #first: EntryVersion[] | undefined = [];

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  add(version: EntryVersion): void {
    if (!this.#first) this.#write(this.#table.row(version));
    else if (this.#first.push(version) === FIRST_ROWS) this.show();
  }

  show(): void {
    if (this.#first) this.#write(this.#table.render(this.#first));
    this.#first = undefined;
  }
}

function trimmedText({ name, revision }: WatchChangesResponse): string {
  if (name === '')
    return `entries that were deleted up to revision ${revision} may be missing: they are not kept any more`;
  return `changes of ${name} up to revision ${revision} are missing: they are not kept any more`;
}
