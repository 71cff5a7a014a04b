import assert from 'node:assert/strict';
import type { SQLOutputValue } from 'node:sqlite';
import type { Compression } from '../../proto/rules/line-words.ts';
import type { LineState } from '../model/line-state.ts';
import type { BatchFacts, IntentSegment, OpenIntent } from '../model/segment.ts';

/** Stored for an unknown line state. */
const UNKNOWN = -1;

/*
 * The column `segments` of an intent:
 *
 *   segments => segment (' ' segment)*
 *   segment => generation,start,end,lines,rangeStart,startState,endState,checksum,format
 *              [,cutStart,cutEnd,cutBytes] ,rangeEnd,lineState [;markerBytes;markerHash]
 *
 * `format` is an id in the table `format`; `lineState` is -1 if unknown. Older programs wrote no
 * marker, no `lineState`, and no `rangeEnd` where it equals `end`.
 */
export function segmentsText(segments: readonly IntentSegment[], formatId: (document: string) => number): string {
  const texts = segments.map((segment) => {
    const { generation, start, end, lines, rangeStart, startState, endState, rangeEnd, lineState, checksum, cut } =
      segment;
    const range = [generation, start, end, lines, rangeStart, startState, endState, checksum, formatId(segment.format)];
    const cutOff = cut ? [cut.start, cut.end, cut.bytes] : [];
    const { marker } = segment;
    const markerText = marker ? `;${marker.bytes};${marker.hash}` : '';
    return [...range, ...cutOff, rangeEnd, lineState ?? UNKNOWN].join() + markerText;
  });
  return texts.join(' ');
}

/** Asserts what holds for each intent, when it is written and when it is read. */
export function assertConsistent({ recordCount, segments }: BatchFacts): void {
  let lines = 0;
  for (const { start, end, lines: own } of segments) {
    assert(start <= end, 'a segment ends before it starts');
    lines += own;
  }
  assert(lines === recordCount, `${lines} lines in an intent for ${recordCount} records`);
}

/** `documents`: the formats by id. */
export function intentFromRow(row: Record<string, SQLOutputValue>, documents: ReadonlyMap<number, string>): OpenIntent {
  const intent: OpenIntent = {
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
  assertConsistent(intent);
  return intent;
}

function segmentFrom(text: string, documents: ReadonlyMap<number, string>): IntentSegment {
  const [fields = '', markerBytes, hash] = text.split(';');
  const [generation = '', ...numbers] = fields.split(',');
  const [start, end, lines, rangeStart, startState, endState, checksum, format, ...more] = numbers.map(
    Number,
  ) as Numbers;
  const lineState = more.length % 3 === 2 ? (more.pop() as LineState | typeof UNKNOWN) : UNKNOWN;
  const rangeEnd = more.length % 3 === 1 ? (more.pop() as number) : end;
  const [from, to, bytes] = more;
  const document = documents.get(format) ?? '';
  const replay = replayOf(document);
  return {
    ...{ generation, start, end, lines, rangeStart, startState, endState, rangeEnd, checksum },
    lineState: lineState === UNKNOWN ? undefined : lineState,
    format: document,
    ...(hash && { marker: { end, bytes: Number(markerBytes), hash } }),
    ...(replay !== undefined && { replay }),
    cut: from === undefined ? undefined : { start: from, end: to ?? from, bytes: bytes ?? 0 },
  };
}

/** The replay in a format, see FormatFacts. */
function replayOf(document: string): string | undefined {
  return document === '' ? undefined : (JSON.parse(document) as { replay?: string }).replay;
}

type Numbers = [number, number, number, number, LineState, LineState, number, number, ...number[]];
