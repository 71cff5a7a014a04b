import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import { agentName, entryName } from '../../proto/rules/names.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { Table } from '../format.ts';
import {
  agentKind,
  alertKind,
  entryKind,
  type Kind,
  lossKind,
  type Output,
  renderItem,
  renderList,
} from '../output.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { listAgents, listAlerts, listEntries, listLosses } from '../rpc/lists.ts';
import { checkedSelector } from '../selector-option.ts';
import { forEachName, parseTargets } from '../target.ts';

export interface GetOptions {
  output: Output;
  selector?: string;
  watch?: boolean;
  /** Of losses: only of this agent, or about this entry. */
  agent?: string;
  entry?: string;
}

/** A source of one kind of thing. */
interface Reader<Item> {
  kind: Kind<Item>;
  get(name: string): Promise<Item>;
  list(): Promise<Item[]>;
  /** Items as they are and as they change; `gone` when deleted; undefined when all that was there has been told. */
  watch(name: string): AsyncIterable<{ item: Item; gone: boolean } | undefined>;
}

/** `logfleet get entries|agents|losses|alerts [NAME…]` */
export async function get(
  api: ControllerApi,
  words: readonly string[],
  options: GetOptions,
  write: (text: string) => void,
): Promise<void> {
  const { kind, names } = parseTargets(words);
  const labelSelector = checkedSelector(options.selector ?? '');
  if (kind === 'loss') {
    await getLosses(api, names, { ...options, selector: labelSelector }, write);
    return;
  }
  if (kind === 'alert') {
    await getAlerts(api, names, options, write);
    return;
  }
  if (options.agent !== undefined || options.entry !== undefined)
    throw new CliError(
      exitCodes.usage,
      '--agent and --entry go with losses; to name what to get, write it behind the kind',
    );
  if (kind === 'entry') await show(entryReader(api, labelSelector), names, options, write);
  else await show(agentReader(api, labelSelector, isDocument(options.output)), names, options, write);
}

async function show<Item>(
  reader: Reader<Item>,
  names: readonly string[],
  options: GetOptions,
  write: (text: string) => void,
) {
  if (names.length > 0 && options.selector !== undefined)
    throw new CliError(exitCodes.usage, 'give names, or --selector to choose among all');
  if (options.watch) {
    if (names.length > 1) throw new CliError(exitCodes.usage, '--watch takes one name, or none for all');
    await watch(reader, names[0] ?? '', options.output, write);
    return;
  }
  if (names.length > 0) {
    const items: Item[] = [];
    const getAll = forEachName(names, async (name) => void items.push(await reader.get(name)));
    // What was found is shown, whatever was not.
    await getAll.finally(
      () => items.length > 0 && write(render(reader.kind, items, options.output, names.length === 1)),
    );
    return;
  }
  showList(reader.kind, await reader.list(), options.output, write);
}

/** As kubectl: standard output holds things only, so that lines can be counted. */
function showList<Item>(kind: Kind<Item>, items: readonly Item[], output: Output, write: (text: string) => void): void {
  if (items.length > 0 || isDocument(output)) write(render(kind, items, output, false));
  else process.stderr.write(`No ${kind.plural} found.\n`);
}

async function getLosses(
  api: ControllerApi,
  names: readonly string[],
  { selector = '', agent, entry, watch, output }: GetOptions,
  write: (text: string) => void,
): Promise<void> {
  if (names.length > 0) throw new CliError(exitCodes.usage, 'losses have no names: choose with -l, --agent or --entry');
  if (watch) throw new CliError(exitCodes.usage, '--watch is for entries and agents');
  const chosen = { agent: agent ? agentName(agent) : '', entry: entry ? entryName(entry) : '' };
  showList(lossKind, await listLosses(api, { labelSelector: selector, ...chosen }), output, write);
}

async function getAlerts(
  api: ControllerApi,
  names: readonly string[],
  { selector, agent, entry, watch, output }: GetOptions,
  write: (text: string) => void,
): Promise<void> {
  if (names.length > 0 || selector !== undefined)
    throw new CliError(exitCodes.usage, 'alerts have no names and labels: choose with --agent or --entry');
  if (watch) throw new CliError(exitCodes.usage, '--watch is for entries and agents');
  const alerts = await listAlerts(api);
  const chosen = alerts.filter(
    ({ condition }) =>
      (agent === undefined || condition?.agent === agentName(agent)) &&
      (entry === undefined || condition?.entry === entryName(entry)),
  );
  showList(alertKind, chosen, output, write);
}

function render<Item>(kind: Kind<Item>, items: readonly Item[], output: Output, single: boolean): string {
  if (output === 'table' || output === 'wide') return tableOf(kind, output).render(items);
  const [only] = items;
  return single && only !== undefined
    ? renderItem(kind, only, output).replace(/^---\n/, '')
    : renderList(kind, items, output);
}

async function watch<Item>(
  reader: Reader<Item>,
  name: string,
  output: Output,
  write: (text: string) => void,
): Promise<void> {
  const { kind } = reader;
  const table = output === 'table' || output === 'wide' ? tableOf(kind, output) : undefined;
  const present: Item[] = [];
  let synced = false;
  for await (const change of reader.watch(name)) {
    if (!change) {
      synced = true;
      if (table) write(table.render(present));
    } else if (isDocument(output)) write(renderItem(kind, change.item, output));
    else if (change.gone) write(`${kind.singular}/${kind.id(change.item)} deleted\n`);
    else if (!table) write(renderItem(kind, change.item, 'name'));
    else if (!synced) present.push(change.item);
    else write(table.row(change.item));
  }
}

function tableOf<Item>(kind: Kind<Item>, output: 'table' | 'wide'): Table<Item> {
  return new Table(output === 'wide' ? [...kind.columns, ...kind.wideColumns] : kind.columns);
}

function isDocument(output: Output): output is 'json' | 'yaml' {
  return output === 'json' || output === 'yaml';
}

function entryReader(api: ControllerApi, labelSelector: string): Reader<Entry> {
  return {
    kind: entryKind,
    get: (name) => api.call((options) => api.entries.getEntry({ name: entryName(name) }, options)),
    list: () => listEntries(api, { labelSelector }),
    watch: async function* (name) {
      const request = { name: name && entryName(name), labelSelector };
      for await (const { kind, entry } of api.follow(api.entries.watchEntries(request))) {
        yield entry && { item: entry, gone: kind === 'KIND_DELETED' };
      }
    },
  };
}

function agentReader(api: ControllerApi, labelSelector: string, includeFiles: boolean): Reader<Agent> {
  return {
    kind: agentKind,
    get: (name) => api.call((options) => api.fleet.getAgent({ name: agentName(name) }, options)),
    list: () => listAgents(api, { labelSelector, includeFiles }),
    watch: async function* (name) {
      const request = { name: name && agentName(name), labelSelector, includeFiles };
      for await (const { kind, agent } of api.follow(api.fleet.watchAgents(request))) {
        yield agent && { item: agent, gone: kind === 'KIND_REMOVED' };
      }
    },
  };
}
