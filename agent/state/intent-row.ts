import type { SQLOutputValue } from 'node:sqlite';
import type { Compression } from '../../proto/rules/line-words.ts';
import type { LineState } from '../model/line-state.ts';
import type { IntentSegment, OpenIntent } from '../model/segment.ts';

const NOT_KNOWN = -1;

/**
 * The segments of an intent, as its row has them: for each `GENERATION,START,END,LINES,RANGESTART,STARTSAT,ENDSAT,CHECKSUM,FORMAT`,
 * `,START,END,BYTES` of what is cut, and `,RANGEEND,PLACE`, PLACE -1 when it is not known. What older programs wrote has no PLACE, and no
 * RANGEEND where it is END.
 */
export function segmentsText(segments: readonly IntentSegment[], formatId: (document: string) => number): string {
  const texts = segments.map((segment) => {
    const { generation, start, end, lines, rangeStart, startState, endState, rangeEnd, lineState, checksum, cut } =
      segment;
    const range = [generation, start, end, lines, rangeStart, startState, endState, checksum, formatId(segment.format)];
    const cutOff = cut ? [cut.start, cut.end, cut.bytes] : [];
    return [...range, ...cutOff, rangeEnd, lineState ?? NOT_KNOWN].join();
  });
  return texts.join(' ');
}

/** `documents`: the formats, by their ids. */
export function intentFromRow(row: Record<string, SQLOutputValue>, documents: ReadonlyMap<number, string>): OpenIntent {
  return {
    id: Number(row['id']),
    topic: String(row['topic']),
    partition: Number(row['partition']),
    producer: { id: row['producer_id'] as bigint, epoch: Number(row['epoch']) },
    baseSequence: Number(row['base_sequence']),
    recordCount: Number(row['record_count']),
    timestampMs: Number(row['timestamp_ms']),
    compression: row['compression'] as Compression,
    segments: String(row['segments'])
      .split(' ')
      .map((text) => segmentFrom(text, documents)),
  };
}

function segmentFrom(text: string, documents: ReadonlyMap<number, string>): IntentSegment {
  const [generation = '', ...numbers] = text.split(',');
  const [start, end, lines, rangeStart, startState, endState, checksum, format, ...more] = numbers.map(
    Number,
  ) as Numbers;
  const lineState = more.length % 3 === 2 ? (more.pop() as LineState | typeof NOT_KNOWN) : NOT_KNOWN;
  const rangeEnd = more.length % 3 === 1 ? (more.pop() as number) : end;
  const [from, to, bytes] = more;
  const document = documents.get(format) ?? '';
  const replay = replayOf(document);
  return {
    ...{ generation, start, end, lines, rangeStart, startState, endState, rangeEnd, checksum },
    lineState: lineState === NOT_KNOWN ? undefined : lineState,
    format: document,
    ...(replay !== undefined && { replay }),
    cut: from === undefined ? undefined : { start: from, end: to ?? from, bytes: bytes ?? 0 },
  };
}

/** A format says which replay it is for; see FormatFacts. */
function replayOf(document: string): string | undefined {
  return document === '' ? undefined : (JSON.parse(document) as { replay?: string }).replay;
}

type Numbers = [number, number, number, number, LineState, LineState, number, number, ...number[]];
