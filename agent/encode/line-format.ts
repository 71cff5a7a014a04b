import { type Encoding, linePattern, type OverLong, type Terminator } from '../../proto/rules/line-words.ts';
import { type Charset, charsetFor } from './charset.ts';
import { type FilterFacts, LineFilter } from './line-filter.ts';
import { StandardHeaders } from './record-headers.ts';

/** A multiline pattern sees no more of a line. */
const PATTERN_BYTES_MAX = 4096;
const CHARACTER_BYTES_MAX = 4;

/** Which lines are one record; one of the two patterns is given. */
export interface MultilineFacts {
  /** A line that matches begins a record. */
  start?: string;
  /** A line that matches goes on with the record before it. */
  continuation?: string;
  /** After so long without a byte more, the lines that are there are the record. */
  timeoutMs: number;
  maxLines: number;
}

/**
 * What of an entry decides how its lines are written. Plain JSON, kept with each intent; the same bytes with the same facts are the same
 * records. What is left out was not there yet when an older agent wrote it, and means the default.
 */
export interface FormatFacts {
  host: string;
  /** The entry's id, without `entries/`. */
  entry: string;
  headers: 'standard' | 'none';
  /** Of the file's bytes, before any conversion. */
  maxLineBytes: number;
  overLong?: OverLong;
  terminator?: Terminator;
  encoding?: Encoding;
  multiline?: MultilineFacts;
  filter?: FilterFacts;
  /** The topic takes no longer lines: what is longer is split, whatever `overLong` says. */
  topicBytesMax?: number;
  /** The lines are sent once more, by the replay with this id. */
  replay?: string;
}

/** How the lines of one source are grouped to records. */
export interface Grouping {
  pattern: RegExp;
  /** Whether a line that matches begins a record; else it goes on with one. */
  begins: boolean;
  /** How much of a line the pattern sees; less than the piece of a line that is always there when it is read again. */
  patternBytes: number;
  timeoutMs: number;
  maxLines: number;
}

/** How the lines of one source are written. */
export interface LineFormat extends SharedFormat {
  target: FormatTarget;
  /** undefined: records without headers. */
  headers: StandardHeaders | undefined;
}

/** Which lines it is for. */
export interface FormatTarget {
  path: string;
  generation: string;
}

/** What of a format is the same for all sources of an entry. */
export interface SharedFormat {
  facts: FormatFacts;
  /** The facts, as JSON. */
  document: string;
  /** What is longer is dealt with as `overLong` says. Whole code units. */
  maxLineBytes: number;
  overLong: OverLong;
  charset: Charset;
  /** undefined: each line is a record. */
  grouping: Grouping | undefined;
  /** undefined: all records go. */
  filter: LineFilter | undefined;
}

/** Of its parts some are large, or slow to make: it is made once for all sources of an entry. */
export function sharedFormat(facts: FormatFacts): SharedFormat {
  const { overLong = 'split', topicBytesMax } = facts;
  const charset = charsetFor(facts);
  const maxLineBytes = facts.maxLineBytes - (facts.maxLineBytes % charset.unit);
  const format = {
    facts,
    document: JSON.stringify(facts),
    maxLineBytes,
    overLong,
    charset,
    grouping: facts.multiline && groupingOf(facts.multiline, maxLineBytes),
    filter: facts.filter && new LineFilter(facts.filter),
  };
  return topicBytesMax === undefined ? format : fitToTopic(format, topicBytesMax);
}

/** The format for the lines of one generation of a file at `path`. */
export function lineFormat(shared: SharedFormat, at: FormatTarget): LineFormat {
  const { host, entry, headers, replay } = shared.facts;
  const { path, generation } = at;
  return {
    ...shared,
    target: at,
    headers: headers === 'none' ? undefined : new StandardHeaders({ host, path, entry, generation, replay }),
  };
}

/** The same format for lines that a replay sends once more. `marked`: they say so, though the entry's other lines say nothing. */
export function replayFormat({ target: at, ...shared }: LineFormat, replay: string, marked: boolean): LineFormat {
  const facts: FormatFacts = { ...shared.facts, ...(marked && { headers: 'standard' }), replay };
  return lineFormat({ ...shared, facts, document: JSON.stringify(facts) }, at);
}

/** The same format for a topic that takes lines of `topicBytesMax` at most. Nothing of a line is lost for that. */
export function fitToTopic<Format extends SharedFormat>(format: Format, topicBytesMax: number): Format {
  const { charset, grouping } = format;
  if (topicBytesMax >= format.maxLineBytes) return format;
  const maxLineBytes = topicBytesMax - (topicBytesMax % charset.unit);
  const facts: FormatFacts = { ...format.facts, topicBytesMax };
  return {
    ...format,
    facts,
    document: JSON.stringify(facts),
    maxLineBytes,
    overLong: 'split',
    grouping: grouping && { ...grouping, patternBytes: patternBytesOf(maxLineBytes) },
  };
}

function groupingOf({ start, continuation, timeoutMs, maxLines }: MultilineFacts, maxLineBytes: number): Grouping {
  const begins = start !== undefined;
  const pattern = linePattern(start ?? continuation ?? '');
  return { pattern, begins, patternBytes: patternBytesOf(maxLineBytes), timeoutMs, maxLines };
}

function patternBytesOf(maxLineBytes: number): number {
  return Math.min(PATTERN_BYTES_MAX, maxLineBytes - CHARACTER_BYTES_MAX);
}
