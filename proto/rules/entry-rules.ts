import { Entry } from '../gen/logfleet/v1/entry.ts';
import { labelViolations } from './agent-labels.ts';
import type { FieldViolation } from './field-violation.ts';
import { globProblem } from './glob.ts';
import { lineViolations, withLineDefaults, wordViolations } from './line-rules.ts';
import { COMPRESSIONS } from './line-words.ts';
import { entryId } from './names.ts';
import { rateViolations } from './rate-rules.ts';
import { parseSelector } from './selector.ts';

/** An entry and the version that tells of it are written together, and etcd takes 1.5 MiB at once. */
export const ENTRY_BYTES_MAX = 512 * 1024;
const GLOBS_MAX = 100;
const TOPIC = /^[A-Za-z0-9._-]{1,249}$/;
const INTERNAL_TOPICS = ['__consumer_offsets', '__transaction_state', '__share_group_state'];
const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;
const HEADERS = ['standard', 'none'];

/** Every rule that an entry breaks; empty when it is good. Every process that takes entries in asks here. */
export function entryViolations(entry: Entry): FieldViolation[] {
  return [
    ...nameViolations(entry.name),
    ...globsViolations('paths', entry.paths, isAbsolute, 'is not absolute: begin it with "/"'),
    ...(entry.paths.length === 0 ? [{ field: 'paths', description: 'is required: give at least one glob' }] : []),
    ...globsViolations('exclude', entry.exclude, isAbsoluteOrAnywhere, 'must begin with "/" or "**/"'),
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

/** The entry with its defaults written out. */
export function withEntryDefaults(entry: Entry): Entry {
  return {
    ...entry,
    start: entry.start || 'end',
    compression: entry.compression || 'lz4',
    headers: entry.headers || 'standard',
    ...withLineDefaults(entry),
  };
}

/** The size that counts against ENTRY_BYTES_MAX. */
export function entryBytes(entry: Entry): number {
  return Entry.encode(entry).finish().length;
}

function nameViolations(name: string): FieldViolation[] {
  if (entryId(name)) return [];
  const rule = 'use "entries/" and 1 to 63 of a-z, 0-9 and "-", beginning and ending with a letter or a digit';
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
  if (globs.length > GLOBS_MAX) return [{ field, description: `has ${globs.length} globs: at most ${GLOBS_MAX}` }];
  return globs.flatMap((glob, index) => {
    const problem = globProblem(glob) ?? (rooted(glob) ? undefined : rule);
    return problem ? [{ field: `${field}[${index}]`, description: `${quote(glob)} ${problem}` }] : [];
  });
}

/** What keeps `topic` from being a topic that lines can go to. */
export function topicViolations(topic: string): FieldViolation[] {
  const field = 'topic';
  if (topic === '') return [{ field, description: 'is required: name the Kafka topic to produce to' }];
  if (INTERNAL_TOPICS.includes(topic)) {
    return [{ field, description: `${quote(topic)} is one of Kafka's own topics: choose another` }];
  }
  if (TOPIC.test(topic) && topic !== '.' && topic !== '..') return [];
  return [
    { field, description: `${quote(topic)} can't be a Kafka topic: use 1 to 249 of a-z, A-Z, 0-9, ".", "_" and "-"` },
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
  return [{ field: 'start', description: `${quote(start)} is not a start: ${rule}` }];
}

/** JavaScript takes 30 February for 1 or 2 March: a day must be one of its month's. */
function isTime(text: string): boolean {
  const [year = 0, month = 0, day = 0] = text.slice(0, 10).split('-').map(Number);
  const isDay = day >= 1 && day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
  return RFC_3339.test(text) && isDay && !Number.isNaN(Date.parse(text));
}

function lengthViolations(field: string, text: string, max: number): FieldViolation[] {
  return text.length <= max ? [] : [{ field, description: `has ${text.length} characters: at most ${max}` }];
}

/** A newer client's field that this server does not know would be dropped in silence: it is refused instead. */
function unknownFieldViolations(entry: Entry): FieldViolation[] {
  return Object.keys(entry._unknownFields ?? {}).map((tag) => ({
    field: `#${Number(tag) >>> 3}`,
    description: `field number ${Number(tag) >>> 3} is not known to this version of logfleet: leave it out, or upgrade`,
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
