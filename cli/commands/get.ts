import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { Agent } from '../../proto/gen/logfleet/v1/fleet.ts';
import { agentName, entryName } from '../../proto/rules/names.ts';
import { agentRequest, refuseChoice } from '../agent-choice.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { entryStateKind, withStates } from '../entry-state-kind.ts';
import { agentKind, entryKind, type Kind, type Output, renderItem } from '../output.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { listAgents, listEntries, listEntryStates } from '../rpc/lists.ts';
import { checkedSelector } from '../selector-option.ts';
import { forEachName, parseTargets } from '../target.ts';
import { type GetOptions, getAlerts, getLosses, getRollouts, showSettings } from './get-lists.ts';
import { isDocument, render, showList, tableOf } from './show-list.ts';

export type { GetOptions } from './get-lists.ts';

/** A source of one kind of thing. */
interface Reader<Item> {
  kind: Kind<Item>;
  get(name: string): Promise<Item>;
  list(): Promise<Item[]>;
  /** Items as they are and as they change; `gone` when deleted; undefined when all that was there has been told. */
  watch(name: string): AsyncIterable<{ item: Item; gone: boolean } | undefined>;
}

/** `logfleet get entries|agents|losses|alerts|rollouts|settings [NAME…]` */
export async function get(
  api: ControllerApi,
  words: readonly string[],
  options: GetOptions,
  write: (text: string) => void,
): Promise<void> {
  const { kind, names } = parseTargets(words);
  const labelSelector = checkedSelector(options.selector ?? '');
  if (kind !== 'agent') refuseChoice(options, 'go with agents');
  if (kind === 'loss') {
    await getLosses(api, names, { ...options, selector: labelSelector }, write);
    return;
  }
  if (kind === 'alert') {
    await getAlerts(api, names, options, write);
    return;
  }
  if (kind === 'rollout') {
    await getRollouts(api, names, options, write);
    return;
  }
  if (kind === 'settings') {
    await showSettings(api, names, options, write);
    return;
  }
  if (options.agent !== undefined || (options.entry !== undefined && kind === 'entry'))
    throw new CliError(
      exitCodes.usage,
      '--agent and --entry go with losses; to name what to get, write it behind the kind',
    );
  if (kind === 'entry' && options.output === 'wide' && !options.watch)
    await showStates(api, names, labelSelector, write);
  else if (kind === 'entry') await show(entryReader(api, labelSelector), names, options, write);
  else await showAgents(api, names, { ...options, selector: labelSelector }, write);
}

async function show<Item>(
  reader: Reader<Item>,
  names: readonly string[],
  options: GetOptions,
  write: (text: string) => void,
) {
  if (names.length > 0 && options.selector)
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

async function showAgents(
  api: ControllerApi,
  names: readonly string[],
  options: GetOptions,
  write: (text: string) => void,
): Promise<void> {
  if (names.length > 0) refuseChoice(options, 'choose among all agents: leave the names out');
  if (options.watch && (options.sortBy ?? options.minLag))
    throw new CliError(exitCodes.usage, '--sort-by and --min-lag say nothing of what is to come: leave --watch out');
  await show(agentReader(api, options), names, options, write);
}

/** Entries, and how they are doing across the fleet. */
async function showStates(
  api: ControllerApi,
  names: readonly string[],
  labelSelector: string,
  write: (text: string) => void,
): Promise<void> {
  const show = async (entries: readonly Entry[], chosen: Parameters<typeof listEntryStates>[1]) =>
    showList(entryStateKind, withStates(entries, await listEntryStates(api, chosen)), 'wide', write);
  if (names.length === 0) {
    await show(await listEntries(api, { labelSelector }), { labelSelector });
    return;
  }
  const entries: Entry[] = [];
  const reader = entryReader(api, labelSelector);
  try {
    await forEachName(names, async (name) => void entries.push(await reader.get(name)));
  } finally {
    // What was found is shown, whatever was not.
    if (entries.length > 0) await show(entries, { entries: entries.map(({ name }) => name) });
  }
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

function agentReader(api: ControllerApi, options: GetOptions): Reader<Agent> {
  const request = agentRequest(options);
  const asked = { labelSelector: options.selector ?? '', includeFiles: isDocument(options.output) };
  return {
    kind: agentKind,
    get: (name) => api.call((callOptions) => api.fleet.getAgent({ name: agentName(name) }, callOptions)),
    list: () => listAgents(api, { ...asked, ...request }),
    watch: async function* (name) {
      const { liveness, entry, entryState } = request;
      const wanted = { ...asked, liveness, entry, entryState, name: name && agentName(name) };
      for await (const { kind, agent } of api.follow(api.fleet.watchAgents(wanted))) {
        yield agent && { item: agent, gone: kind === 'KIND_REMOVED' };
      }
    },
  };
}
