import { errorText } from '../../runtime/errors.ts';
import { inputName, readInput } from '../entries/read-input.ts';
import { entryView } from '../kinds/entry-view.ts';
import { renderList } from '../kinds/render.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { listAgents } from '../rpc/lists.ts';
import { type ConvertedEntry, courseEntries } from './course-entry.ts';
import { type CourseReading, courseItems, type Remark } from './course-items.ts';
import { hostSelectors } from './host-selectors.ts';
import { parseIni } from './ini-file.ts';
import { iniLayout } from './ini-layout.ts';
import { addressIn, keyTemplate } from './key-template.ts';
import { writeEntry } from './write-entry.ts';

export interface ImportOptions {
  filename?: string[];
  key?: string;
  etcd?: string;
  etcdUser?: string;
  hostFromKey?: boolean;
  hostLabel?: string;
  selector?: string;
  baseDir?: string;
  start: string;
  dryRun?: boolean;
  output?: 'yaml' | 'json';
}

const ETCD_DEFAULT = '127.0.0.1:2379';
const ETCD_TIMEOUT_MS = 5_000;

type Write = (text: string) => void;

/** `logfleet import course-json --key KEY | -f FILE` */
export async function importCourseJson(api: ControllerApi, options: ImportOptions, write: Write): Promise<void> {
  const { filename = [], key } = options;
  if ((key === undefined) === (filename.length === 0))
    throw new CliError(exitCodes.usage, 'give the list: --key in etcd, or -f with files');
  const reading = emptyReading();
  for (const file of filename) add(reading, courseItems(await readInput(file), inputName(file), ''));
  if (key !== undefined)
    add(reading, await readKey({ addresses: options.etcd ?? ETCD_DEFAULT, key, timeoutMs: undefined }, options));
  await importReading(api, reading, { ...options, source: 'course-json' }, write);
}

/** `logfleet import ini -f FILE` */
export async function importIni(api: ControllerApi, options: ImportOptions, write: Write): Promise<void> {
  const reading = emptyReading();
  for (const file of options.filename ?? []) {
    const layout = iniLayout(iniOf(await readInput(file), inputName(file)), inputName(file));
    reading.notes.push(...layout.notes);
    if (layout.kafka !== '')
      reading.notes.push({
        where: inputName(file),
        text: `brokers are a setting of the agents: --kafka ${layout.kafka}`,
      });
    if (layout.item?.topic === '') reading.refused.push({ where: layout.item.where, text: '[kafka] topic is missing' });
    else if (layout.item) reading.items.push(layout.item);
    if (layout.etcd) {
      const addresses = options.etcd ?? layout.etcd.addresses;
      add(reading, await readKey({ ...layout.etcd, addresses }, options));
    }
  }
  await importReading(api, reading, { ...options, source: 'ini' }, write);
}

async function readKey(
  { addresses, key, timeoutMs }: { addresses: string; key: string; timeoutMs: number | undefined },
  { hostFromKey = false, etcdUser }: ImportOptions,
): Promise<CourseReading> {
  const template = keyTemplate(key, hostFromKey);
  // Loaded on demand: etcd's client would slow every other command down.
  const { etcdValues } = await import('./etcd-values.ts');
  const source = { addresses, timeoutMs: timeoutMs || ETCD_TIMEOUT_MS, user: userOf(etcdUser) };
  const values = await etcdValues(source, template);
  if (values.length === 0) throw new CliError(exitCodes.refused, `etcd at ${addresses} has no key ${key}`);
  const reading = emptyReading();
  for (const value of values) add(reading, courseItems(value.value, value.key, value.host));
  const address = template.isExact && !hostFromKey ? addressIn(key) : undefined;
  if (address !== undefined) {
    const advice = `its entries apply to every agent; with --host-from-key only to ${address}`;
    reading.notes.push({ where: key, text: advice });
  }
  return reading;
}

/** Writes or prints the entries. Throws CliError when an item could not be converted. */
async function importReading(
  api: ControllerApi,
  reading: CourseReading,
  options: ImportOptions & { source: string },
  write: Write,
): Promise<void> {
  const { refused, notes, converted } = await entriesOf(api, reading, options);
  const total = converted.length + refused.length;
  for (const { where, text } of notes) process.stderr.write(`note: ${where}: ${text}\n`);
  if (options.output)
    write(
      renderList(
        entryView,
        converted.map(({ entry }) => entry),
        options.output,
      ),
    );
  else await writeAll(api, converted, { dryRun: options.dryRun ?? false, source: options.source, refused }, write);
  if (refused.length === 0) return;
  const violations = refused.map(({ where, text }) => ({ field: where, description: text }));
  throw new CliError(exitCodes.refused, `${refused.length} of ${total} can't be converted`, { violations });
}

async function entriesOf(api: ControllerApi, reading: CourseReading, options: ImportOptions & { source: string }) {
  const hosts = new Set(reading.items.map(({ host }) => host));
  const { selectors, problems } = await hostSelectors(hosts, {
    label: options.hostLabel,
    common: options.selector ?? '',
    agents: () => listAgents(api, { labelSelector: '', includeFiles: false }),
  });
  const { converted, refused, notes } = courseEntries(
    reading,
    selectors,
    options as typeof options & { baseDir: string },
  );
  const withoutSelector = reading.items.flatMap(({ host, where }) => {
    const problem = problems.get(host);
    return problem === undefined ? [] : [{ where, text: problem }];
  });
  return { converted, refused: [...refused, ...withoutSelector], notes };
}

async function writeAll(
  api: ControllerApi,
  converted: readonly ConvertedEntry[],
  { dryRun, source, refused }: { dryRun: boolean; source: string; refused: Remark[] },
  write: Write,
): Promise<void> {
  for (const { entry, item } of converted) {
    try {
      const outcome = await writeEntry(api, entry, { reason: `import ${source}`, validateOnly: dryRun });
      const where = entry.selector === '' ? 'every agent' : entry.selector;
      const outcomeText = `${outcome}${dryRun ? ' (dry run)' : ''}: ${entry.paths[0]} to ${entry.topic}, ${where}`;
      write(`entry/${entryView.id(entry)} ${outcomeText}\n`);
    } catch (error) {
      // An unreachable controller would fail for each entry.
      if (!(error instanceof CliError) || error.exitCode !== exitCodes.refused) throw error;
      const text = [error.message, ...error.violations.map(({ field, description }) => `${field}: ${description}`)];
      refused.push({ where: item.where, text: text.join(' ') });
    }
  }
}

function emptyReading(): CourseReading {
  return { items: [], refused: [], notes: [] };
}

function add(to: CourseReading, { items, refused, notes }: CourseReading): void {
  to.items.push(...items);
  to.refused.push(...refused);
  to.notes.push(...notes);
}

function iniOf(content: string, where: string) {
  try {
    return parseIni(content);
  } catch (error) {
    throw new CliError(exitCodes.usage, `${where}: ${errorText(error)}`, { cause: error });
  }
}

function userOf(text: string | undefined): { username: string; password: string } | undefined {
  if (text === undefined) return undefined;
  const at = text.indexOf(':');
  if (at < 1) throw new CliError(exitCodes.usage, '--etcd-user: give NAME:PASSWORD');
  return { username: text.slice(0, at), password: text.slice(at + 1) };
}
