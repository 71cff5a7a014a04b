import { crc32c } from '@node-rs/crc32';
import type { Compression } from '../../proto/rules/line-words.ts';
import type { ProducerIdentity } from '../kafka/kafka-messages.ts';

/*
 * RecordBatch, magic 2 (https://kafka.apache.org/documentation/#recordbatch):
 *
 *    0  baseOffset            int64   0; the broker sets it
 *    8  batchLength           int32   bytes that follow this field
 *   12  partitionLeaderEpoch  int32   -1; the broker sets it
 *   16  magic                 int8    2
 *   17  crc                   uint32  CRC-32C of all that follows
 *   21  attributes            int16   bits 0-2: compression
 *   23  lastOffsetDelta       int32   record count - 1
 *   27  baseTimestamp         int64   ms
 *   35  maxTimestamp          int64   ms
 *   43  producerId            int64
 *   51  producerEpoch         int16
 *   53  baseSequence          int32
 *   57  records               int32   record count
 *   61  the records, compressed as one piece
 */
export const BATCH_HEADER_BYTES = 61;
const CRC_AT = 17;
const CRC_FROM = 21;
const MAGIC = 2;

/** The codes of Kafka's record batch attributes. */
export const compressionCodes: Readonly<Record<Compression, number>> = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 };

export interface BatchHeader {
  compression: Compression;
  recordCount: number;
  /** When its lines were read, ms since the epoch; the timestamp of each of its records. */
  timestampMs: number;
}

/** One encoded batch: its header and the compressed records, to be written one after the other. */
export interface RecordBatch {
  header: Buffer;
  records: readonly Uint8Array[];
  /** Of all together. */
  byteLength: number;
}

/**
 * A batch around `records`, the encoded records after compression, which are not copied. It is whole when `stampProducer` has
 * written the producer and the checksum.
 */
export function encodeRecordBatch(facts: BatchHeader, records: readonly Uint8Array[]): RecordBatch {
  const byteLength = records.reduce((sum, piece) => sum + piece.length, BATCH_HEADER_BYTES);
  const header = Buffer.allocUnsafe(BATCH_HEADER_BYTES);
  header.writeBigInt64BE(0n, 0);
  header.writeInt32BE(byteLength - 12, 8);
  header.writeInt32BE(-1, 12);
  header.writeInt8(MAGIC, 16);
  header.writeInt16BE(compressionCodes[facts.compression], 21);
  header.writeInt32BE(facts.recordCount - 1, 23);
  const timestamp = BigInt(facts.timestampMs);
  header.writeBigInt64BE(timestamp, 27);
  header.writeBigInt64BE(timestamp, 35);
  header.writeInt32BE(facts.recordCount, 57);
  return { header, records, byteLength };
}

/** Writes the producer's identity and sequence into an encoded batch, and the checksum. May be done again for another producer. */
export function stampProducer(
  { header, records }: RecordBatch,
  producer: ProducerIdentity,
  baseSequence: number,
): void {
  header.writeBigInt64BE(producer.id, 43);
  header.writeInt16BE(producer.epoch, 51);
  header.writeInt32BE(baseSequence, 53);
  const checksum = records.reduce((crc, piece) => crc32c(piece, crc), crc32c(header.subarray(CRC_FROM)));
  header.writeUInt32BE(checksum, CRC_AT);
}

/** What the header of a batch in a partition's log tells. */
export interface LoggedBatch {
  lastOffset: bigint;
  producer: ProducerIdentity;
  baseSequence: number;
  recordCount: number;
}

/** The headers of the whole batches in `log`, as Kafka's Fetch gives them; a batch that is cut ends it. */
export function* batchHeaders(log: Buffer): Generator<LoggedBatch> {
  for (let at = 0; at + BATCH_HEADER_BYTES <= log.length; ) {
    const length = log.readInt32BE(at + 8) + 12;
    if (at + length > log.length) return;
    yield {
      lastOffset: log.readBigInt64BE(at) + BigInt(log.readInt32BE(at + 23)),
      producer: { id: log.readBigInt64BE(at + 43), epoch: log.readInt16BE(at + 51) },
      baseSequence: log.readInt32BE(at + 53),
      recordCount: log.readInt32BE(at + 57),
    };
    at += length;
  }
}

/** CRC-32C of `bytes`. */
export function checksumOf(bytes: Uint8Array): number {
  return crc32c(bytes);
}
