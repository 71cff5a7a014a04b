import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { entryViolations } from '../../proto/rules/entry-rules.ts';
import { entryName } from '../../proto/rules/names.ts';
import type { CourseItem, CourseReading, Remark } from './course-items.ts';

export interface EntryOptions {
  /** The folder that relative paths start from; undefined: relative paths are refused. */
  baseDir: string | undefined;
  /** `Entry.start` of new entries. */
  start: string;
  /** The value of the label `imported-from`. */
  source: string;
}

/** An entry and the item it was converted from. */
export interface ConvertedEntry {
  entry: Entry;
  item: CourseItem;
}

/** Folders whose names do not describe the files in them. */
const GENERIC_FOLDERS = ['', 'var', 'log', 'logs', 'tmp', 'data', 'opt', 'home'];
const SLUG_MAX = 54;

/** Converts all items. Equal items yield equal entries, in any order. `selectors` is by host. */
export function courseEntries(
  { items, refused, notes }: CourseReading,
  selectors: ReadonlyMap<string, string>,
  options: EntryOptions,
): { converted: ConvertedEntry[]; refused: Remark[]; notes: Remark[] } {
  const result = { converted: [] as ConvertedEntry[], refused: [...refused], notes: [...notes] };
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
      result.notes.push({
        where: item.where,
        text: `${path.value} to ${item.topic} occurs twice: it is converted once`,
      });
      continue;
    }
    // The name depends on the file, so a changed topic updates the entry. A second topic of the
    // same file makes a second entry.
    const identity = known.size === 0 ? file : `${file}\n${item.topic}`;
    known.add(item.topic);
    const entry = entryOf(item, { ...options, path: path.value, selector, identity });
    const wrong = entryViolations(entry).map(({ field, description }) => `${field}: ${description}`);
    if (wrong.length > 0) result.refused.push({ where: item.where, text: wrong.join('; ') });
    else result.converted.push({ entry, item });
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

/** The file's name, and a hash that distinguishes it from other files with that name. */
function nameOf(path: string, identity: string): string {
  const folder = posix.basename(posix.dirname(path));
  const parts = [...(GENERIC_FOLDERS.includes(folder) ? [] : [folder]), posix.basename(path).replace(/\.log$/, '')];
  const slug = parts
    .join('-')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, SLUG_MAX)
    .replace(/^-+|-+$/g, '');
  return `${slug || 'file'}-${createHash('sha256').update(identity).digest('hex').slice(0, 8)}`;
}

/**
 * The other agent took paths literally. `*` and `?` stay, because they can only be meant as a glob.
 */
function globOf(path: string): string {
  return path.replace(/[[\]{}()!\\]/g, '\\$&');
}

function absolute(
  path: string,
  baseDir: string | undefined,
): { value: string; problem?: undefined } | { problem: string } {
  if (/^[A-Za-z]:[\\/]|^\\\\|^[A-Za-z0-9_.-]*\\/.test(path))
    return { problem: `${JSON.stringify(path)} is a Windows path; agents run on Linux only` };
  if (path.startsWith('/')) return { value: posix.normalize(path) };
  if (baseDir !== undefined) return { value: posix.resolve(baseDir, path) };
  const remedy = 'give --base-dir, the folder that the other agent was started in';
  return { problem: `${JSON.stringify(path)} is not absolute: ${remedy}` };
}
