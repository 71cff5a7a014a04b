import { lengthAndBytes, varint } from '../encode/varint.ts';
import type { Fact } from '../model/fact.ts';

/** The agent that the facts come from. */
export interface AuditOrigin {
  agent: string;
  host: string;
}

/** A fact as it is in the audit topic: a JSON object with the words of the records' headers. */
export function auditDocument(fact: Fact, { agent, host }: AuditOrigin): string {
  const { id, kind, timeMs, entry, entryUid, path, generation } = fact;
  const about = { id, kind, time: new Date(timeMs).toISOString(), agent, host };
  const subject = { entry: entry.replace(/^entries\//, ''), entryUid, path, generation };
  if (kind === 'sealed') {
    const { first, size, recordsEnd } = fact;
    return JSON.stringify({ ...about, ...subject, first, size, recordsEnd });
  }
  if (kind === 'begun') {
    const { first, reason } = fact;
    return JSON.stringify({ ...about, ...subject, first, reason });
  }
  const { start, end, bytes = end - start, openEnded, reason } = fact;
  return JSON.stringify({ ...about, ...subject, start, end, bytes, openEnded, reason });
}

/** Encodes records with a key and without headers. record-writer.ts describes their layout. */
export function encodeKeyedRecords(records: readonly { key: string; value: string }[]): Buffer {
  return Buffer.concat(records.map((record, offsetDelta) => encodeKeyedRecord(record, offsetDelta)));
}

function encodeKeyedRecord({ key, value }: { key: string; value: string }, offsetDelta: number): Buffer {
  const none = Buffer.of(0);
  const body = Buffer.concat([none, none, varint(offsetDelta), lengthAndBytes(key), lengthAndBytes(value), none]);
  return Buffer.concat([varint(body.length), body]);
}
