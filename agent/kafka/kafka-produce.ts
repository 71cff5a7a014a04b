import { apis, type KafkaResult, onlyItem } from './kafka-messages.ts';
import type { KafkaRequest } from './kafka-request.ts';
import type { WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

const ACKS_ALL = -1;
const NO_TAGS_THRICE = Buffer.alloc(3);

/** Kafka's response for one partition. */
export type ProduceResult = KafkaResult<{
  errorMessage: string | null;
  /**
   * The offset of the batch's first record. For a repeated batch: where it was appended first, or
   * -1.
   */
  baseOffset: bigint;
  /** How long the agent must wait because of a quota, ms. */
  throttleMs: number;
}>;

export interface ProduceTarget {
  topic: string;
  partition: number;
  /** How long the broker may wait for the in-sync replicas, ms. */
  timeoutMs: number;
}

/*
 * Appends one batch to one partition. The leader responds when all in-sync replicas have it.
 *
 * ProduceRequest v9 => transactional_id:COMPACT_NULLABLE_STRING acks:INT16 timeout_ms:INT32
 *                      [topic_data] TAGS
 *   topic_data => name:COMPACT_STRING [partition_data] TAGS
 *     partition_data => index:INT32 records:COMPACT_RECORDS TAGS
 */
export function produce(target: ProduceTarget, batch: readonly Uint8Array[]): KafkaRequest<ProduceResult> {
  const { topic, partition, timeoutMs } = target;
  const bytes = batch.reduce((sum, piece) => sum + piece.length, 0);
  const before = new WireWriter().compactString(null).int16(ACKS_ALL).int32(timeoutMs);
  before
    .unsignedVarint(2)
    .compactString(topic)
    .unsignedVarint(2)
    .int32(partition)
    .unsignedVarint(bytes + 1);
  return { api: apis.produce, isFlexible: true, body: [before.done(), ...batch, NO_TAGS_THRICE], parse };
}

/*
 * ProduceResponse v9 => [responses] throttle_time_ms:INT32 TAGS
 *   responses => name:COMPACT_STRING [partition_responses] TAGS
 *     partition_responses => index:INT32 error_code:INT16 base_offset:INT64
 *                            log_append_time_ms:INT64 log_start_offset:INT64 [record_errors]
 *                            error_message:COMPACT_NULLABLE_STRING TAGS
 *       record_errors => batch_index:INT32 batch_index_error_message:COMPACT_NULLABLE_STRING TAGS
 */
function parse(reader: WireReader): ProduceResult {
  const topics = reader.compactArray(() => {
    reader.compactString();
    const result = onlyItem(reader.compactArray(() => parsePartition(reader)));
    reader.skipTags();
    return result;
  });
  return { ...onlyItem(topics), throttleMs: reader.int32() };
}

function parsePartition(reader: WireReader): Omit<ProduceResult, 'throttleMs'> {
  reader.int32();
  const errorCode = reader.int16();
  const baseOffset = reader.int64();
  reader.int64();
  reader.int64();
  const recordErrors = reader.compactArray(() => {
    reader.int32();
    const message = reader.compactString();
    reader.skipTags();
    return message;
  });
  const message = reader.compactString();
  reader.skipTags();
  return { errorCode, baseOffset, errorMessage: recordErrors.find((text) => text !== null) ?? message };
}
