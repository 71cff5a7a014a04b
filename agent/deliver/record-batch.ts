import { crc32c } from '@node-rs/crc32';

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

export const compressionCodes = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;
export type Compression = keyof typeof compressionCodes;

export interface ProducerIdentity {
  id: bigint;
  epoch: number;
}

export interface BatchHeader {
  compression: Compression;
  recordCount: number;
  /** When its lines were read, ms since the epoch; the timestamp of each of its records. */
  timestampMs: number;
}

/**
 * Returns a batch around `records`, the encoded records after compression. Copies them once. It is whole when `stampProducer` has
 * written the producer and the checksum.
 */
export function encodeRecordBatch(header: BatchHeader, records: Uint8Array): Buffer {
  const batch = Buffer.allocUnsafe(BATCH_HEADER_BYTES + records.length);
  batch.writeBigInt64BE(0n, 0);
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeInt32BE(-1, 12);
  batch.writeInt8(MAGIC, 16);
  batch.writeInt16BE(compressionCodes[header.compression], 21);
  batch.writeInt32BE(header.recordCount - 1, 23);
  const timestamp = BigInt(header.timestampMs);
  batch.writeBigInt64BE(timestamp, 27);
  batch.writeBigInt64BE(timestamp, 35);
  batch.writeInt32BE(header.recordCount, 57);
  batch.set(records, BATCH_HEADER_BYTES);
  return batch;
}

/** Writes the producer's identity and sequence into an encoded batch, and the checksum. May be done again for another producer. */
export function stampProducer(batch: Buffer, producer: ProducerIdentity, baseSequence: number): void {
  batch.writeBigInt64BE(producer.id, 43);
  batch.writeInt16BE(producer.epoch, 51);
  batch.writeInt32BE(baseSequence, 53);
  batch.writeUInt32BE(crc32c(batch.subarray(CRC_FROM)), CRC_AT);
}
