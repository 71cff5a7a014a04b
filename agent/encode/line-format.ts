import { type Encoding, linePattern, type OverLong, type Terminator } from '../../proto/rules/line-words.ts';
import { type Charset, charsetFor } from './charset.ts';
import { type FilterFacts, LineFilter } from './line-filter.ts';
import { StandardHeaders } from './record-headers.ts';

/** A multiline pattern is matched against no more bytes of a line. */
const PATTERN_BYTES_MAX = 4096;
const CHARACTER_BYTES_MAX = 4;

/** Which lines form one record. Exactly one of the two patterns is given. */
export interface MultilineFacts {
  /** A matching line begins a record. */
  start?: string;
  /** A matching line continues the record before it. */
  continuation?: string;
  /** If the file does not grow for this long, the record is complete. */
  timeoutMs: number;
  maxLines: number;
}

/**
 * The properties of an entry that determine how its lines are encoded. Stored as JSON with each
 * intent: the same bytes with the same facts yield the same records. Facts of older agents lack
 * newer properties, which then have their defaults. Leave out a property that has its default:
 * formats are compared as JSON text.
 */
export interface FormatFacts {
  host: string;
  /** The entry's id, without `entries/`. */
  entry: string;
  headers: 'standard' | 'none';
  /** Bytes in the file, before conversion. */
  maxLineBytes: number;
  overLong?: OverLong;
  terminator?: Terminator;
  encoding?: Encoding;
  multiline?: MultilineFacts;
  filter?: FilterFacts;
  /** The topic refuses longer lines: they are split, whatever `overLong` says. */
  topicBytesMax?: number;
  /** The id of the replay that sends the lines. */
  replay?: string;
}

/** How lines are grouped into records. */
export interface Grouping {
  pattern: RegExp;
  /** Whether a matching line begins a record. If not, it continues one. */
  isStart: boolean;
  /**
   * How much of a line the pattern is matched against: less than the part of a line that every
   * re-read has.
   */
  patternBytes: number;
  timeoutMs: number;
  maxLines: number;
}

/** How the lines of one source are encoded. */
export interface LineFormat extends SharedFormat {
  target: FormatTarget;
  /** undefined: records without headers. */
  headers: StandardHeaders | undefined;
}

/** The generation whose lines are encoded. */
export interface FormatTarget {
  path: string;
  generation: string;
}

/** The parts of a format that all sources of an entry share. */
export interface SharedFormat {
  facts: FormatFacts;
  /** The facts, as JSON. */
  document: string;
  /** Longer lines are handled as `overLong` says. A multiple of the code unit. */
  maxLineBytes: number;
  overLong: OverLong;
  charset: Charset;
  /** undefined: each line is a record. */
  grouping: Grouping | undefined;
  /** undefined: all records are sent. */
  filter: LineFilter | undefined;
}

/**
 * Whether records can be left out: their bytes then lie in the range of the next record. An option
 * that leaves records out must be named here.
 */
export function leavesOutRecords({ filter }: Pick<SharedFormat, 'filter'>): boolean {
  return filter !== undefined;
}

/** Make it once for all sources of an entry: some parts are large, or slow to make. */
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
    grouping: facts.multiline && createGrouping(facts.multiline, maxLineBytes),
    filter: facts.filter && new LineFilter(facts.filter),
  };
  return topicBytesMax === undefined ? format : fitToTopic(format, topicBytesMax);
}

/** The format for the lines of one generation. */
export function lineFormat(shared: SharedFormat, target: FormatTarget): LineFormat {
  const { host, entry, headers, replay } = shared.facts;
  const { path, generation } = target;
  return {
    ...shared,
    target,
    headers: headers === 'none' ? undefined : new StandardHeaders({ host, path, entry, generation, replay }),
  };
}

/**
 * The same format for the lines of a replay. `isMarked`: they get headers that say so, even if the
 * entry's other lines have none.
 */
export function replayFormat({ target, ...shared }: LineFormat, replay: string, isMarked: boolean): LineFormat {
  const facts: FormatFacts = { ...shared.facts, ...(isMarked && { headers: 'standard' }), replay };
  return lineFormat({ ...shared, facts, document: JSON.stringify(facts) }, target);
}

/**
 * The same format for a topic that accepts lines of at most `topicBytesMax`. Longer lines are
 * split, so nothing is lost.
 */
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

function createGrouping({ start, continuation, timeoutMs, maxLines }: MultilineFacts, maxLineBytes: number): Grouping {
  const isStart = start !== undefined;
  const pattern = linePattern(start ?? continuation ?? '');
  return { pattern, isStart, patternBytes: patternBytesOf(maxLineBytes), timeoutMs, maxLines };
}

function patternBytesOf(maxLineBytes: number): number {
  return Math.min(PATTERN_BYTES_MAX, maxLineBytes - CHARACTER_BYTES_MAX);
}
