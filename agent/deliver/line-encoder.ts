import { DecimalPosition } from './decimal.ts';
import type { RecordBuffer } from './record-buffer.ts';
import { type HeaderTemplate, type HeaderTemplates, standardHeaders } from './record-headers.ts';
import { varintBytes, writeVarint } from './varint.ts';

const NEWLINE = 0x0a;

/*
 * Record (https://kafka.apache.org/documentation/#record), all numbers zigzag varints:
 *
 *   length | attributes int8 = 0 | timestampDelta = 0 | offsetDelta | keyLength = -1 (null) | valueLength | value
 *          | headerCount | (keyLength | key | valueLength | value)*
 *
 * One batch is read within milliseconds, so all its records share the batch's timestamp.
 */
const NULL_KEY = 0x01;
const NO_HEADERS = 0x00;
/** attributes, timestampDelta and the null key, a byte each. */
const FIXED_BYTES = 3;

/** What of an entry decides how its lines are written, kept with each intent. */
export interface FormatFacts {
  host: string;
  /** The entry's id, without `entries/`. */
  entry: string;
  headers: 'standard' | 'none';
  maxLineBytes: number;
}

/** How the lines of one source are written. */
export interface LineFormat {
  /** The facts it is made from, as JSON. */
  document: string;
  /** undefined: records without headers. */
  headers: HeaderTemplates | undefined;
  /** A longer line becomes several records, each flagged `split`. */
  maxLineBytes: number;
}

/** The format for the lines of one generation of a file at `path`. */
export function lineFormat(facts: FormatFacts, file: { path: string; generation: string }): LineFormat {
  const headers =
    facts.headers === 'none' ? undefined : standardHeaders({ ...file, host: facts.host, entry: facts.entry });
  return { document: JSON.stringify(facts), headers, maxLineBytes: facts.maxLineBytes };
}

export interface Chunk {
  bytes: Buffer;
  /** How many of `bytes` were read. */
  length: number;
  /** Where the chunk's first byte is in its generation. */
  position: number;
  /** The generation ends with this chunk, and will not grow: an unterminated last line goes too, flagged. */
  last: boolean;
  /** The chunk begins inside a line whose beginning has gone as a `split` record. */
  insideLine: boolean;
  /** The chunk ends inside a line, where a `split` record ended when it was read before. */
  endsInsideLine: boolean;
}

export interface Encoded {
  /** Bytes of the chunk that are now in records, terminators included. */
  consumed: number;
  /** Records written. */
  records: number;
  /** What follows `consumed` is the rest of a split line. */
  insideLine: boolean;
  /** The record buffer has no room for the next line. */
  full: boolean;
}

/**
 * The hot path: the file's chunk becomes records. Two native calls a line (find, copy) and no object; half lines
 * stay in the file. Reuses two position counters, so one encoder serves one chunk at a time.
 */
export class LineEncoder {
  readonly #start = new DecimalPosition();
  readonly #end = new DecimalPosition();

  encode(chunk: Chunk, format: LineFormat, target: RecordBuffer): Encoded {
    const { length } = chunk;
    const bytes = chunk.bytes.subarray(0, length);
    const { headers, maxLineBytes } = format;
    this.#start.set(chunk.position);
    this.#end.set(chunk.position);
    let { insideLine } = chunk;
    let at = 0;
    let records = 0;
    while (at < length) {
      const found = bytes.indexOf(NEWLINE, at);
      const terminated = found !== -1;
      const lineEnd = terminated ? found : length;
      const tooLong = lineEnd - at > maxLineBytes;
      if (!terminated && !tooLong && !chunk.last) break;
      const split = tooLong || (!terminated && chunk.endsInsideLine);
      const valueEnd = tooLong ? at + maxLineBytes : lineEnd;
      const next = terminated && !split ? lineEnd + 1 : valueEnd;
      const template = headers && pickTemplate(headers, split || insideLine, terminated || split);
      if (!this.#write(target, bytes, at, valueEnd, next - at, template))
        return { consumed: at, records, insideLine, full: true };
      records++;
      at = next;
      insideLine = split;
    }
    return { consumed: at, records, insideLine, full: false };
  }

  /** Writes one record of `bytes[from, to)`, `advance` bytes of the generation; false when there is no room. */
  #write(
    target: RecordBuffer,
    bytes: Buffer,
    from: number,
    to: number,
    advance: number,
    headers: HeaderTemplate | undefined,
  ): boolean {
    const valueBytes = to - from;
    const end = this.#end;
    end.add(advance);
    const rangeBytes = this.#start.length + 1 + end.length;
    const headerBytes = headers
      ? headers.before.length + varintBytes(rangeBytes) + rangeBytes + headers.after.length
      : 1;
    const offsetDelta = target.records;
    const size = FIXED_BYTES + varintBytes(offsetDelta) + varintBytes(valueBytes) + valueBytes + headerBytes;
    const into = target.bytes;
    if (!target.hasRoom(size + varintBytes(size))) return false;
    let at = writeVarint(into, target.length, size);
    into[at++] = 0;
    into[at++] = 0;
    at = writeVarint(into, at, offsetDelta);
    into[at++] = NULL_KEY;
    at = writeVarint(into, at, valueBytes);
    bytes.copy(into, at, from, to);
    at += valueBytes;
    at = headers ? this.#writeHeaders(into, at, headers, rangeBytes) : writeNoHeaders(into, at);
    target.wrote(at);
    this.#start.add(advance);
    return true;
  }

  #writeHeaders(into: Buffer, from: number, { before, after }: HeaderTemplate, rangeBytes: number): number {
    into.set(before, from);
    let at = writeVarint(into, from + before.length, rangeBytes);
    at = this.#start.write(into, at);
    into[at++] = 0x2d;
    at = this.#end.write(into, at);
    if (after.length > 0) into.set(after, at);
    return at + after.length;
  }
}

function writeNoHeaders(into: Buffer, at: number): number {
  into[at] = NO_HEADERS;
  return at + 1;
}

function pickTemplate(headers: HeaderTemplates, split: boolean, complete: boolean): HeaderTemplate {
  if (split) return complete ? headers.split : headers.splitUnterminated;
  return complete ? headers.plain : headers.unterminated;
}
