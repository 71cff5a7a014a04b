import { Command, InvalidArgumentError, Option } from 'commander';
import { parseByteSize, parseDuration } from '../../runtime/units.ts';
import { agentOrders, entryStates, livenesses, type MinLag } from '../kinds/agent-filter.ts';
import { forEachName } from '../kinds/for-each-name.ts';
import { type Filter, type FilterName, filterNames, type Kind } from '../kinds/kind.ts';
import { kindNames, kinds, pluralsOf } from '../kinds/kinds.ts';
import {
  isDocument,
  isTable,
  type Output,
  outputs,
  renderItem,
  renderList,
  renderNext,
  tableFor,
} from '../kinds/render.ts';
import { parseTarget } from '../kinds/target.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { KindArgument, namesArgument, outputOption, selectorOption } from './arguments.ts';
import type { CommandContext } from './command-context.ts';
import { withHelp } from './command-help.ts';

interface GetOptions extends Omit<Filter, 'names' | 'includeFiles'> {
  output: Output;
  watch?: boolean;
}

type Write = (text: string) => void;

const flags: Readonly<Record<FilterName, string>> = {
  names: 'names',
  watch: '--watch',
  selector: '--selector',
  agent: '--agent',
  entry: '--entry',
  sortBy: '--sort-by',
  state: '--state',
  liveness: '--liveness',
  minLag: '--min-lag',
};

/** Plurals for lists; singulars for what is fetched by name. */
const KIND_COMPLETIONS = [...kindNames.map((name) => kinds[name].plural), 'entry', 'agent'];

/** `logfleet get KIND [NAME…]` */
export function getCommand({ withApi, write }: CommandContext): Command {
  const command = new Command('get')
    .addArgument(new KindArgument('<kind>', kindNames, KIND_COMPLETIONS))
    .addArgument(namesArgument())
    .addOption(outputOption(outputs, 'table'))
    .addOption(selectorOption('only those whose labels match, such as env=prod,!canary'))
    .option('-w, --watch', 'show the list, then every change')
    .option('--agent <id>', 'losses and alerts: only those of this agent')
    .option('--entry <name>', 'losses, alerts and rollouts: only those of this entry; agents: only those that have it')
    .addOption(new Option('--sort-by <column>', 'agents: sort, largest value first').choices(Object.keys(agentOrders)))
    .addOption(
      new Option('--state <state>', 'agents: only where --entry, or any entry, is in this state').choices(entryStates),
    )
    .addOption(new Option('--liveness <state>', 'agents: only those in this state').choices(livenesses))
    .addOption(
      new Option('--min-lag <size or time>', 'agents: only those at least this far behind: 10MiB, or 30s').argParser(
        parseMinLag,
      ),
    )
    .action((kind: string, names: string[], options: GetOptions) =>
      withApi((api) => get(api, [kind, ...names], options, write)),
    );
  return withHelp(command, {
    summary: 'list resources, or show some by name',
    examples: [
      ['List the entries with their state across the fleet', 'logfleet get entries -o wide'],
      ['Print an entry in a form that apply accepts', 'logfleet get entry nginx-access -o yaml'],
      ['List agents and follow their changes', 'logfleet get agents -l env=prod --watch'],
      [
        'List agents where an entry has failed, largest lag first',
        'logfleet get agents --entry nginx-access --state failed --sort-by lag',
      ],
      ['List agents that are far behind', 'logfleet get agents --min-lag 10MiB -o wide'],
      ['List what an entry has lost', 'logfleet get losses --entry nginx-access'],
    ],
  });
}

async function get(api: ControllerApi, words: readonly string[], options: GetOptions, write: Write): Promise<void> {
  const { kind: name, names } = parseTarget(words);
  const { output } = options;
  const kind = kinds[name];
  throwIfInapplicable(kind, { ...options, ...(names.length > 0 && { names }) });
  const filter: Filter = { ...options, names, includeFiles: isDocument(output) };
  if (options.watch) await watch(api, kind, filter, output, write);
  else if (names.length > 0 && kind.get) await showNamed(api, kind, filter, output, write);
  else await showList(api, kind, filter, output, write);
}

/** Throws CliError for flags that do not fit the kind or each other. */
function throwIfInapplicable(kind: Kind<unknown>, given: { readonly [Name in FilterName]?: unknown }): void {
  const used = filterNames.filter((name) => given[name] !== undefined);
  for (const name of used) {
    if (kind.filters.includes(name)) continue;
    const fitting = kindNames.filter((each) => kinds[each].filters.includes(name));
    throw new CliError(
      exitCodes.usage,
      `${flags[name]} can be given for ${pluralsOf(fitting)}, not for ${kind.plural}`,
    );
  }
  const excluded = (['selector', 'sortBy', 'state', 'liveness', 'minLag'] as const).filter((name) => given[name]);
  if (given.names !== undefined && excluded.length > 0)
    throw new CliError(exitCodes.usage, `give names, or ${excluded.map((name) => flags[name]).join(', ')}: not both`);
  if (given.watch !== undefined && (given.sortBy ?? given.minLag) !== undefined)
    throw new CliError(exitCodes.usage, '--sort-by and --min-lag are for a list: leave --watch out');
}

/** Prints the named items that exist, even if others do not. */
async function showNamed(
  api: ControllerApi,
  kind: Kind<unknown>,
  filter: Filter,
  output: Output,
  write: Write,
): Promise<void> {
  const items: unknown[] = [];
  try {
    await forEachName(filter.names, async (name) => void items.push(await kind.get?.(api, name)));
  } finally {
    if (filter.names.length === 1 && items.length === 1 && isDocument(output))
      write(renderItem(kind, items[0], output));
    else if (items.length > 0) write(await renderAll(api, kind, items, filter, output));
  }
}

/** Standard output holds resources only, so that scripts can count lines. */
async function showList(
  api: ControllerApi,
  kind: Kind<unknown>,
  filter: Filter,
  output: Output,
  write: Write,
): Promise<void> {
  const items = await kind.list(api, filter);
  if (items.length > 0 || isDocument(output)) write(await renderAll(api, kind, items, filter, output));
  else process.stderr.write(`No ${kind.plural} found.\n`);
}

async function renderAll(
  api: ControllerApi,
  kind: Kind<unknown>,
  items: readonly unknown[],
  filter: Filter,
  output: Output,
): Promise<string> {
  if (output === 'wide' && kind.renderWide) return kind.renderWide(api, items, filter);
  return renderList(kind, items, output);
}

/** Prints all items at once as a table, and then a line for each change. */
async function watch(
  api: ControllerApi,
  kind: Kind<unknown>,
  filter: Filter,
  output: Output,
  write: Write,
): Promise<void> {
  const [name = '', ...more] = filter.names;
  if (!kind.watch || more.length > 0)
    throw new CliError(exitCodes.usage, '--watch follows one name, or all without a name');
  const table = isTable(output) ? tableFor(kind, output) : undefined;
  const present: unknown[] = [];
  let isSynced = false;
  for await (const change of kind.watch(api, name, filter)) {
    if (!change) {
      isSynced = true;
      if (table) write(table.render(present));
    } else if (isDocument(output)) write(renderNext(kind, change.item, output));
    else if (change.isDeleted) write(`${kind.singular}/${kind.id(change.item)} deleted\n`);
    else if (!table) write(renderNext(kind, change.item, 'name'));
    else if (isSynced) write(table.row(change.item));
    else present.push(change.item);
  }
}

function parseMinLag(text: string): MinLag {
  const bytes = parseByteSize(text);
  const ms = parseDuration(text);
  if (bytes === undefined && !ms) throw new InvalidArgumentError('Give a size such as 10MiB, or a time such as 30s.');
  return { bytes: bytes ?? 0, seconds: (ms ?? 0) / 1_000 };
}
