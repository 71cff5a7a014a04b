import { Entry } from '../gen/logfleet/v1/entry.ts';
import { labelViolations } from './agent-labels.ts';
import type { FieldViolation } from './field-violation.ts';
import { globProblem, joinSlashes } from './glob.ts';
import { lineViolations, withLineDefaults, wordViolations } from './line-rules.ts';
import { COMPRESSIONS } from './line-words.ts';
import { entryId } from './names.ts';
import { rateViolations } from './rate-rules.ts';
import { parseSelector } from './selector.ts';

/** One transaction writes an entry and its version, and etcd accepts 1.5 MiB in one request. */
export const ENTRY_BYTES_MAX = 512 * 1024;
const GLOBS_MAX = 100;
const TOPIC = /^[A-Za-z0-9._-]{1,249}$/;
const INTERNAL_TOPICS = ['__consumer_offsets', '__transaction_state', '__share_group_state'];
const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;
const HEADERS = ['standard', 'none'];

/**
 * The rules that an entry violates; empty if it is valid. Every process that accepts entries calls
 * this.
 */
export function entryViolations(entry: Entry): FieldViolation[] {
  return [
    ...nameViolations(entry.name),
    ...globsViolations('paths', entry.paths, isAbsolute, 'is not absolute: start it with "/"'),
    ...(entry.paths.length === 0 ? [{ field: 'paths', description: 'is required: list at least one glob' }] : []),
    ...globsViolations('exclude', entry.exclude, isAbsoluteOrAnywhere, 'must start with "/" or "**/"'),
    ...topicViolations(entry.topic),
    ...selectorViolations(entry.selector),
    ...startViolations(entry.start),
    ...wordViolations('compression', entry.compression, COMPRESSIONS),
    ...wordViolations('headers', entry.headers, HEADERS),
    ...lineViolations(entry),
    ...rateViolations(entry.maxBytesPerSecond),
    ...lengthViolations('owner', entry.owner, 256),
    ...lengthViolations('description', entry.description, 4096),
    ...labelViolations(entry.labels),
    ...unknownFieldViolations(entry),
  ];
}

/** The entry with its globs normalized and its defaults filled in. */
export function withEntryDefaults(entry: Entry): Entry {
  return {
    ...entry,
    paths: entry.paths.map(joinSlashes),
    exclude: entry.exclude.map(joinSlashes),
    start: entry.start || 'end',
    compression: entry.compression || 'lz4',
    headers: entry.headers || 'standard',
    ...withLineDefaults(entry),
  };
}

/** The size that ENTRY_BYTES_MAX limits. */
export function entryBytes(entry: Entry): number {
  return Entry.encode(entry).finish().length;
}

function nameViolations(name: string): FieldViolation[] {
  if (entryId(name)) return [];
  const rule = 'use "entries/" and 1 to 63 of a-z, 0-9 and "-", starting and ending with a letter or a digit';
  return [
    {
      field: 'name',
      description: name === '' ? `is required: ${rule}` : `${quote(name)} is not an entry's name: ${rule}`,
    },
  ];
}

function globsViolations(
  field: string,
  globs: string[],
  rooted: (glob: string) => boolean,
  rule: string,
): FieldViolation[] {
  if (globs.length > GLOBS_MAX)
    return [{ field, description: `${globs.length} globs are too many: list at most ${GLOBS_MAX}` }];
  return globs.flatMap((glob, index) => {
    const problem = globProblem(glob) ?? (rooted(glob) ? undefined : rule);
    return problem ? [{ field: `${field}[${index}]`, description: `${quote(glob)} ${problem}` }] : [];
  });
}

/** The rules that a topic's name violates. */
export function topicViolations(topic: string): FieldViolation[] {
  const field = 'topic';
  if (topic === '') return [{ field, description: 'is required: name the Kafka topic to produce to' }];
  if (INTERNAL_TOPICS.includes(topic)) {
    return [{ field, description: `${quote(topic)} is an internal topic of Kafka: choose another one` }];
  }
  if (TOPIC.test(topic) && topic !== '.' && topic !== '..') return [];
  return [
    {
      field,
      description: `${quote(topic)} is not a Kafka topic name: use 1 to 249 of a-z, A-Z, 0-9, ".", "_" and "-"`,
    },
  ];
}

function selectorViolations(selector: string): FieldViolation[] {
  try {
    parseSelector(selector);
    return [];
  } catch (error) {
    return [{ field: 'selector', description: (error as Error).message }];
  }
}

function startViolations(start: string): FieldViolation[] {
  if (['', 'beginning', 'end'].includes(start)) return [];
  if (isTime(start)) return [];
  const rule = 'use "beginning", "end" or an RFC 3339 time such as "2026-11-24T08:00:00Z"';
  return [{ field: 'start', description: `${quote(start)} is not a valid start: ${rule}` }];
}

/** Checks the day as well: JavaScript's Date accepts 30 February and makes it 1 or 2 March. */
function isTime(text: string): boolean {
  const [year = 0, month = 0, day = 0] = text.slice(0, 10).split('-').map(Number);
  const isDay = day >= 1 && day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
  return RFC_3339.test(text) && isDay && !Number.isNaN(Date.parse(text));
}

function lengthViolations(field: string, text: string, max: number): FieldViolation[] {
  return text.length <= max
    ? []
    : [{ field, description: `${text.length} characters are too many: use at most ${max}` }];
}

/**
 * Rejects fields of a newer client that this version does not know. Otherwise they would be ignored
 * silently.
 */
function unknownFieldViolations(entry: Entry): FieldViolation[] {
  return Object.keys(entry._unknownFields ?? {}).map((tag) => ({
    field: `#${Number(tag) >>> 3}`,
    description: `field number ${Number(tag) >>> 3} is unknown to this version of logfleet: remove it or upgrade`,
  }));
}

function isAbsolute(glob: string): boolean {
  return glob.startsWith('/');
}

function isAbsoluteOrAnywhere(glob: string): boolean {
  return glob.startsWith('/') || glob.startsWith('**/');
}

function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
