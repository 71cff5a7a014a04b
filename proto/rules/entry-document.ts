import { isMap, isScalar, isSeq, LineCounter, type ParsedNode, parseAllDocuments } from 'yaml';
import { Entry } from '../gen/logfleet/v1/entry.ts';
import { entryViolations } from './entry-rules.ts';
import type { FieldViolation } from './field-violation.ts';
import { entryName } from './names.ts';
import { nearest } from './nearest.ts';

/** A field's type, in the words of error messages. */
type Kind =
  | 'a string'
  | 'a list of strings'
  | 'an integer'
  | 'a large integer'
  | 'true or false, without quotes'
  | 'a map of strings'
  | 'set by the server';
type Fields = Readonly<Record<string, Kind | { fields: Fields }>>;

/** The fields of an entry in YAML and JSON: those of entry.proto. */
const FIELDS: Fields = {
  name: 'a string',
  paths: 'a list of strings',
  topic: 'a string',
  exclude: 'a list of strings',
  follow_links: 'true or false, without quotes',
  selector: 'a string',
  start: 'a string',
  compression: 'a string',
  headers: 'a string',
  max_line_bytes: 'an integer',
  over_long: 'a string',
  terminator: 'a string',
  encoding: 'a string',
  multiline: {
    fields: { start: 'a string', continuation: 'a string', timeout_ms: 'an integer', max_lines: 'an integer' },
  },
  filter: { fields: { include: 'a string', exclude: 'a string', json_field: 'a string' } },
  max_bytes_per_second: 'a large integer',
  paused: 'true or false, without quotes',
  owner: 'a string',
  description: 'a string',
  labels: 'a map of strings',
  etag: 'a string',
  uid: 'set by the server',
  create_time: 'set by the server',
  update_time: 'set by the server',
  topic_status: 'set by the server',
};

/** The names of an entry's fields in YAML, JSON and etcd. */
export const entryFields: readonly string[] = Object.keys(FIELDS);

/** Those of the fields that are content: all but the name and what the server sets. */
export const contentFields: readonly string[] = entryFields.filter(
  (field) => FIELDS[field] !== 'set by the server' && field !== 'name' && field !== 'etag',
);

/** One entry of a file and the rules that it violates. */
export interface EntryDocument {
  entry: Entry;
  /** The content fields that the document names, also without a value (`filter:`). */
  namedFields: string[];
  violations: FieldViolation[];
  /** Where the entry begins, as `file:line`. */
  where: string;
}

/**
 * Reads entries from YAML or JSON: `entries: […]`, a list, or single entries, in one or several
 * documents. Throws an Error with file, line and column if the text is not YAML. What is wrong with
 * a single entry is in its `violations`.
 */
export function entryDocuments(text: string, fileName: string): EntryDocument[] {
  const lines = new LineCounter();
  const found: EntryDocument[] = [];
  for (const document of parseAllDocuments(text, { lineCounter: lines })) {
    const error = 'errors' in document ? document.errors[0] : undefined;
    if (error) throw new Error(`${fileName}: ${error.message}`);
    if (!('contents' in document) || document.toJS() === null) continue;
    for (const node of entryNodes(document.contents as ParsedNode, fileName)) {
      const { line } = lines.linePos(node.range?.[0] ?? 0);
      found.push({ ...entryFromDocument(node.toJS(document)), where: `${fileName}:${line}` });
    }
  }
  return found;
}

/** Adds a violation to each document whose name another document has as well. */
export function markDuplicateNames(documents: readonly EntryDocument[]): EntryDocument[] {
  const byName = Map.groupBy(documents, ({ entry }) => entry.name);
  return documents.map((document) => {
    const others = (byName.get(document.entry.name) ?? []).filter((other) => other !== document);
    if (others.length === 0 || document.entry.name === '') return document;
    const description = `${document.entry.name} is also defined at ${others.map(({ where }) => where).join(', ')}: remove or rename one`;
    return { ...document, violations: [...document.violations, { field: 'name', description }] };
  });
}

/**
 * Converts a parsed document, with the field names of entry.proto, to an entry. The name may lack
 * its prefix. Checks types and rules.
 */
export function entryFromDocument(value: unknown): Omit<EntryDocument, 'where'> {
  if (!isRecord(value)) {
    return {
      entry: Entry.create(),
      namedFields: [],
      violations: [{ field: '', description: `expected an entry, found ${describe(value)}` }],
    };
  }
  const { good, wrong } = checkFields(value, FIELDS);
  const entry = Entry.fromJSON(good);
  if (entry.name !== '' && !entry.name.includes('/')) entry.name = entryName(entry.name);
  const typed = new Set(wrong.map(({ field }) => field));
  const rules = entryViolations(entry).filter(({ field }) => !typed.has(field.replace(/\[.*$/, '')));
  const namedFields = contentFields.filter((field) => Object.hasOwn(value, field));
  return { entry, namedFields, violations: [...wrong, ...rules] };
}

/** Separates the fields that have the right type from the violations of the others. */
function checkFields(value: Record<string, unknown>, fields: Fields, within = '') {
  const wrong: FieldViolation[] = [];
  const good: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    const field = within + key;
    const kind = Object.hasOwn(fields, key) ? fields[key] : undefined;
    if (kind === undefined) wrong.push({ field, description: unknownKey(key, Object.keys(fields), within) });
    else if (kind === 'set by the server' || item === null) continue;
    else if (typeof kind === 'object' && isRecord(item)) {
      const inner = checkFields(item, kind.fields, `${field}.`);
      good[key] = inner.good;
      wrong.push(...inner.wrong);
    } else if (typeof kind === 'string' && isKind(kind, item)) good[key] = item;
    else {
      const expected = typeof kind === 'string' ? kind : `a map with ${Object.keys(kind.fields).join(', ')}`;
      wrong.push({ field, description: `expected ${expected}, found ${describe(item)}` });
    }
  }
  return { good, wrong };
}

/** Converts an entry to a document for output: with a short name, and without empty fields. */
export function entryToDocument(entry: Entry): Record<string, unknown> {
  const json = Entry.toJSON(entry) as Record<string, unknown>;
  if (entry.maxBytesPerSecond > 0n) json['max_bytes_per_second'] = Number(entry.maxBytesPerSecond);
  return { ...json, name: entry.name.replace(/^entries\//, '') };
}

function entryNodes(node: ParsedNode, fileName: string): ParsedNode[] {
  if (isSeq(node)) return node.items as ParsedNode[];
  if (!isMap(node))
    throw new Error(`${fileName}: expected entries, found ${isScalar(node) ? describe(node.value) : 'something else'}`);
  const list = node.items.find((pair) => isScalar(pair.key) && pair.key.value === 'entries');
  if (!list) return [node as ParsedNode];
  if (node.items.length > 1) throw new Error(`${fileName}: "entries" must be the only key of its document`);
  if (list.value === null || (isScalar(list.value) && list.value.value === null)) return [];
  if (!isSeq(list.value)) throw new Error(`${fileName}: "entries" must be a list`);
  return list.value.items as ParsedNode[];
}

function unknownKey(key: string, known: readonly string[], within: string): string {
  const what = within === '' ? 'an entry' : within.slice(0, -1);
  const near = nearest(key, known);
  return near
    ? `is not a field of ${what}: did you mean "${near}"?`
    : `is not a field of ${what}: use one of ${known.join(', ')}`;
}

function isKind(kind: Kind, value: unknown): boolean {
  switch (kind) {
    case 'a string':
      return typeof value === 'string';
    case 'an integer':
      return Number.isInteger(value);
    case 'true or false, without quotes':
      return typeof value === 'boolean';
    case 'a large integer':
      // JSON of Protocol Buffers has an int64 as a string.
      return Number.isSafeInteger(value) || (typeof value === 'string' && /^\d{1,15}$/.test(value));
    case 'a list of strings':
      return Array.isArray(value) && areStrings(value);
    case 'a map of strings':
      return isRecord(value) && areStrings(Object.values(value));
    case 'set by the server':
      return true;
  }
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return areStrings(value) ? 'a list of strings' : 'a list with other values than strings';
  if (isRecord(value))
    return areStrings(Object.values(value)) ? 'a map of strings' : 'a map with other values than strings';
  if (typeof value === 'string') return `the string ${JSON.stringify(value.slice(0, 60))}`;
  return value === null ? 'nothing' : `the ${typeof value} ${String(value)}`;
}

function areStrings(values: readonly unknown[]): boolean {
  return values.every((value) => typeof value === 'string');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
