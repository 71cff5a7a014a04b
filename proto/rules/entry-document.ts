import { isMap, isScalar, isSeq, LineCounter, type ParsedNode, parseAllDocuments } from 'yaml';
import { Entry } from '../gen/logfleet/v1/entry.ts';
import { entryViolations } from './entry-rules.ts';
import type { FieldViolation } from './field-violation.ts';
import { entryName } from './names.ts';
import { nearest } from './nearest.ts';

type Kind = 'text' | 'list' | 'number' | 'large number' | 'yes or no' | 'map' | 'set by the server';
type Fields = Readonly<Record<string, Kind | { fields: Fields }>>;

/** The words of an entry's document; those of entry.proto. */
const FIELDS: Fields = {
  name: 'text',
  paths: 'list',
  topic: 'text',
  exclude: 'list',
  selector: 'text',
  start: 'text',
  compression: 'text',
  headers: 'text',
  max_line_bytes: 'number',
  over_long: 'text',
  terminator: 'text',
  encoding: 'text',
  multiline: { fields: { start: 'text', continuation: 'text', timeout_ms: 'number', max_lines: 'number' } },
  filter: { fields: { include: 'text', exclude: 'text', json_field: 'text' } },
  max_bytes_per_second: 'large number',
  paused: 'yes or no',
  owner: 'text',
  description: 'text',
  labels: 'map',
  etag: 'text',
  uid: 'set by the server',
  create_time: 'set by the server',
  update_time: 'set by the server',
  topic_status: 'set by the server',
};

/** Every field of an entry, as YAML, JSON and etcd have it. */
export const entryFields: readonly string[] = Object.keys(FIELDS);

/** One entry of a file, with everything that is wrong with it. */
export interface EntryDocument {
  entry: Entry;
  violations: FieldViolation[];
  /** `file:line` of where it begins. */
  where: string;
}

/**
 * Reads entries from YAML or JSON text: `entries: […]`, a list, or single entries, in one or several documents. Throws an Error that
 * names file, line and column when the text is not YAML; what is wrong with an entry is in its `violations`.
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

/** The documents, with a violation at each whose name another has, too. */
export function withoutTwins(documents: readonly EntryDocument[]): EntryDocument[] {
  const byName = Map.groupBy(documents, ({ entry }) => entry.name);
  return documents.map((document) => {
    const others = (byName.get(document.entry.name) ?? []).filter((other) => other !== document);
    if (others.length === 0 || document.entry.name === '') return document;
    const description = `${document.entry.name} is also at ${others.map(({ where }) => where).join(', ')}`;
    return { ...document, violations: [...document.violations, { field: 'name', description }] };
  });
}

/** Makes an entry of a parsed mapping with the proto's words; the name may be short. Checks types and rules. */
export function entryFromDocument(value: unknown): { entry: Entry; violations: FieldViolation[] } {
  if (!isRecord(value)) {
    return {
      entry: Entry.create(),
      violations: [{ field: '', description: `expected an entry, found ${kindOf(value)}` }],
    };
  }
  const { good, wrong } = checkFields(value, FIELDS);
  const entry = Entry.fromJSON(good);
  if (entry.name !== '' && !entry.name.includes('/')) entry.name = entryName(entry.name);
  const typed = new Set(wrong.map(({ field }) => field));
  const rules = entryViolations(entry).filter(({ field }) => !typed.has(field.replace(/\[.*$/, '')));
  return { entry, violations: [...wrong, ...rules] };
}

/** Those of the fields that are of their kind, and what is wrong with the others. */
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
      const expected = typeof kind === 'string' ? kind : `a map of ${Object.keys(kind.fields).join(', ')}`;
      wrong.push({ field, description: `expected ${expected}, found ${kindOf(item)}` });
    }
  }
  return { good, wrong };
}

/** The mapping to print for an entry: short name, the proto's words, defaults and empty fields left out. */
export function entryToDocument(entry: Entry): Record<string, unknown> {
  const json = Entry.toJSON(entry) as Record<string, unknown>;
  if (entry.maxBytesPerSecond > 0n) json['max_bytes_per_second'] = Number(entry.maxBytesPerSecond);
  return { ...json, name: entry.name.replace(/^entries\//, '') };
}

function entryNodes(node: ParsedNode, fileName: string): ParsedNode[] {
  if (isSeq(node)) return node.items as ParsedNode[];
  if (!isMap(node))
    throw new Error(`${fileName}: expected entries, found ${isScalar(node) ? kindOf(node.value) : 'something else'}`);
  const list = node.items.find((pair) => isScalar(pair.key) && pair.key.value === 'entries');
  if (!list) return [node as ParsedNode];
  if (node.items.length > 1) throw new Error(`${fileName}: nothing may stand beside "entries"`);
  if (list.value === null || (isScalar(list.value) && list.value.value === null)) return [];
  if (!isSeq(list.value)) throw new Error(`${fileName}: "entries" must be a list`);
  return list.value.items as ParsedNode[];
}

function unknownKey(key: string, known: readonly string[], within: string): string {
  const what = within === '' ? 'an entry' : within.slice(0, -1);
  const near = nearest(key, known);
  return near
    ? `is not a field of ${what}: did you mean "${near}"?`
    : `is not a field of ${what}: there are ${known.join(', ')}`;
}

function isKind(kind: Kind, value: unknown): boolean {
  switch (kind) {
    case 'text':
      return typeof value === 'string';
    case 'number':
      return Number.isInteger(value);
    case 'yes or no':
      return typeof value === 'boolean';
    case 'large number':
      // Protobuf's JSON has it as text.
      return Number.isSafeInteger(value) || (typeof value === 'string' && /^\d{1,15}$/.test(value));
    case 'list':
      return Array.isArray(value) && value.every((item) => typeof item === 'string');
    case 'map':
      return isRecord(value) && Object.values(value).every((item) => typeof item === 'string');
    case 'set by the server':
      return true;
  }
}

function kindOf(value: unknown): string {
  if (Array.isArray(value))
    return value.every((item) => typeof item === 'string') ? 'a list' : 'a list with other things than text';
  if (isRecord(value))
    return Object.values(value).every((item) => typeof item === 'string')
      ? 'a map'
      : 'a map with other things than text';
  if (typeof value === 'string') return `the text ${JSON.stringify(value.slice(0, 60))}`;
  return value === null ? 'nothing' : `${typeof value} ${String(value)}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
