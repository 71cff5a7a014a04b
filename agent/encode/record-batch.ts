import assert from 'node:assert/strict';
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
  /** When its lines were read, ms since the epoch: the timestamp of each record. */
  timestampMs: number;
}

/** An encoded batch: its header and the compressed records, to be written in this order. */
export interface RecordBatch {
  header: Buffer;
  records: readonly Uint8Array[];
  /** The size of header and records together. */
  byteLength: number;
}

/**
 * A batch with the compressed `records`, which are not copied. It is complete once `stampProducer`
 * has written the producer and the checksum.
 */
export function encodeRecordBatch(facts: BatchHeader, records: readonly Uint8Array[]): RecordBatch {
  assert(facts.recordCount > 0, 'a batch without records');
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

/**
 * Writes the producer, the sequence and the checksum into an encoded batch. May be repeated with
 * another producer or sequence.
 */
export function stampProducer(
  { header, records }: RecordBatch,
  producer: ProducerIdentity,
  baseSequence: number,
): void {
  assert(baseSequence >= 0, 'a batch without a sequence');
  header.writeBigInt64BE(producer.id, 43);
  header.writeInt16BE(producer.epoch, 51);
  header.writeInt32BE(baseSequence, 53);
  const checksum = records.reduce((crc, piece) => crc32c(piece, crc), crc32c(header.subarray(CRC_FROM)));
  header.writeUInt32BE(checksum, CRC_AT);
}

/** The header of a batch in a partition's log. */
export interface LoggedBatch {
  lastOffset: bigint;
  producer: ProducerIdentity;
  baseSequence: number;
  recordCount: number;
}

/**
 * The headers of the complete batches in `log`, the records of a Fetch response. Throws RangeError
 * if they are malformed.
 */
export function* batchHeaders(log: Buffer): Generator<LoggedBatch> {
  for (let at = 0; at + BATCH_HEADER_BYTES <= log.length; ) {
    const batchLength = log.readInt32BE(at + 8);
    if (batchLength < 0) throw new RangeError(`a record batch of length ${batchLength}`);
    const length = batchLength + 12;
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
