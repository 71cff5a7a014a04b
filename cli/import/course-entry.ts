import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { entryViolations } from '../../proto/rules/entry-rules.ts';
import { entryName } from '../../proto/rules/names.ts';
import type { CourseItem, CourseReading, Remark } from './course-items.ts';

export interface EntryOptions {
  /** Where a path that is not absolute begins; undefined: such paths are refused. */
  baseDir: string | undefined;
  /** `Entry.start` of entries that are made. */
  start: string;
  /** The word for where it comes from: the label `imported-from`. */
  source: string;
}

/** An entry made of an item. */
export interface MadeEntry {
  entry: Entry;
  item: CourseItem;
}

/** Folders that say nothing of what is in them. */
const PLAIN_FOLDERS = ['', 'var', 'log', 'logs', 'tmp', 'data', 'opt', 'home'];
const SLUG_MAX = 54;

/** The entries for all items: the same for the same items, in whatever order. `selectors` is by host. */
export function courseEntries(
  { items, refused, notes }: CourseReading,
  selectors: ReadonlyMap<string, string>,
  options: EntryOptions,
): { made: MadeEntry[]; refused: Remark[]; notes: Remark[] } {
  const result = { made: [] as MadeEntry[], refused: [...refused], notes: [...notes] };
  const topics = new Map<string, Set<string>>();
  for (const item of items) {
    const path = absolute(item.path, options.baseDir);
    if (path.problem !== undefined) {
      result.refused.push({ where: item.where, text: path.problem });
      continue;
    }
    const selector = selectors.get(item.host);
    if (selector === undefined) continue;
    const file = `${item.host}\n${path.value}`;
    const known = topics.get(file) ?? new Set();
    topics.set(file, known);
    if (known.has(item.topic)) {
      result.notes.push({ where: item.where, text: `${path.value} to ${item.topic} is there twice: it is taken once` });
      continue;
    }
    // The name is the file's, so that another topic changes its entry. A file that goes to a second topic is a second entry.
    const identity = known.size === 0 ? file : `${file}\n${item.topic}`;
    known.add(item.topic);
    const entry = entryOf(item, { ...options, path: path.value, selector, identity });
    const wrong = entryViolations(entry).map(({ field, description }) => `${field}: ${description}`);
    if (wrong.length > 0) result.refused.push({ where: item.where, text: wrong.join('; ') });
    else result.made.push({ entry, item });
  }
  return result;
}

function entryOf(
  { topic, service, where }: CourseItem,
  { path, selector, identity, start, source }: EntryOptions & { path: string; selector: string; identity: string },
): Entry {
  const isLabel = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(service);
  return Entry.create({
    name: entryName(nameOf(path, identity)),
    paths: [globOf(path)],
    topic,
    selector,
    start,
    labels: { 'imported-from': source, ...(isLabel && { service }) },
    description: `Imported from ${where.replace(/\[\d+\]$/, '')}`,
  });
}

/** What the file is called, and what tells it from others of that name. */
function nameOf(path: string, identity: string): string {
  const folder = posix.basename(posix.dirname(path));
  const parts = [...(PLAIN_FOLDERS.includes(folder) ? [] : [folder]), posix.basename(path).replace(/\.log$/, '')];
  const slug = parts
    .join('-')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, SLUG_MAX)
    .replace(/^-+|-+$/g, '');
  return `${slug || 'file'}-${createHash('sha256').update(identity).digest('hex').slice(0, 8)}`;
}

/** A former agent took a path as it stands; `*` and `?` in one can only be meant as a glob. */
function globOf(path: string): string {
  return path.replace(/[[\]{}()!\\]/g, '\\$&');
}

function absolute(
  path: string,
  baseDir: string | undefined,
): { value: string; problem?: undefined } | { problem: string } {
  if (/^[A-Za-z]:[\\/]|^\\\\|^[A-Za-z0-9_.-]*\\/.test(path))
    return { problem: `${JSON.stringify(path)} is a path on Windows, where there is no agent` };
  if (path.startsWith('/')) return { value: posix.normalize(path) };
  if (baseDir !== undefined) return { value: posix.resolve(baseDir, path) };
  const remedy = 'give --base-dir, the folder that the former agent was started in';
  return { problem: `${JSON.stringify(path)} is not absolute: ${remedy}` };
}
