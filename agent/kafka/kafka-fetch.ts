import { apis, type KafkaResult, onlyItem } from './kafka-messages.ts';
import type { KafkaRequest } from './kafka-request.ts';
import type { WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

const CONSUMER = -1;
const NO_SESSION = { id: 0, epoch: -1 };
const ANY_EPOCH = -1;
const READ_UNCOMMITTED = 0;

/** Special timestamps in a request for offsets. */
export const LATEST = -1n;
export const EARLIEST = -2n;

export interface Partition {
  topic: string;
  partition: number;
}

export type FetchResult = KafkaResult<{
  /** All in-sync replicas have the records with lower offsets. */
  highWatermark: bigint;
  /**
   * Record batches. The first may begin before the requested offset, the last may be incomplete.
   */
  records: Buffer;
}>;

/*
 * FetchRequest v12 => replica_id:INT32 max_wait_ms:INT32 min_bytes:INT32 max_bytes:INT32
 *                     isolation_level:INT8 session_id:INT32 session_epoch:INT32 [topics]
 *                     [forgotten_topics_data] rack_id:COMPACT_STRING TAGS
 *   topics => topic:COMPACT_STRING [partitions] TAGS
 *     partitions => partition:INT32 current_leader_epoch:INT32 fetch_offset:INT64
 *                   last_fetched_epoch:INT32 log_start_offset:INT64 partition_max_bytes:INT32 TAGS
 */
export function fetch({ topic, partition }: Partition, offset: bigint, bytesMax: number): KafkaRequest<FetchResult> {
  const writer = new WireWriter().int32(CONSUMER).int32(0).int32(0).int32(bytesMax).int8(READ_UNCOMMITTED);
  writer.int32(NO_SESSION.id).int32(NO_SESSION.epoch);
  writer.compactArray([topic], (name) => {
    writer.compactString(name).compactArray([partition], (index) => {
      writer.int32(index).int32(ANY_EPOCH).int64(offset).int32(ANY_EPOCH).int64(-1n).int32(bytesMax).noTags();
    });
    writer.noTags();
  });
  writer.compactArray([], () => {});
  writer.compactString('').noTags();
  return { api: apis.fetch, isFlexible: true, body: [writer.done()], parse: parseFetched };
}

/*
 * FetchResponse v12 => throttle_time_ms:INT32 error_code:INT16 session_id:INT32 [responses] TAGS
 *   responses => topic:COMPACT_STRING [partitions] TAGS
 *     partitions => partition_index:INT32 error_code:INT16 high_watermark:INT64
 *                   last_stable_offset:INT64 log_start_offset:INT64
 *                   [producer_id:INT64 first_offset:INT64 TAGS] preferred_read_replica:INT32
 *                   records:COMPACT_RECORDS TAGS
 */
function parseFetched(reader: WireReader): FetchResult {
  reader.int32();
  const errorCode = reader.int16();
  reader.int32();
  const topics = reader.compactArray(() => {
    reader.compactString();
    const partition = onlyItem(reader.compactArray(() => parsePartition(reader)));
    reader.skipTags();
    return partition;
  });
  // If the whole request fails, the response has no topics.
  return topics.length === 0 ? { errorCode, highWatermark: -1n, records: Buffer.alloc(0) } : onlyItem(topics);
}

function parsePartition(reader: WireReader): FetchResult {
  reader.int32();
  const errorCode = reader.int16();
  const highWatermark = reader.int64();
  reader.int64();
  reader.int64();
  reader.compactArray(() => {
    reader.int64();
    reader.int64();
    reader.skipTags();
  });
  reader.int32();
  const records = reader.compactBytes() ?? Buffer.alloc(0);
  reader.skipTags();
  return { errorCode, highWatermark, records };
}

/*
 * ListOffsetsRequest v7 => replica_id:INT32 isolation_level:INT8 [topics] TAGS
 *   topics => name:COMPACT_STRING
 *             [partition_index:INT32 current_leader_epoch:INT32 timestamp:INT64 TAGS] TAGS
 * ListOffsetsResponse v7 => throttle_time_ms:INT32 [topics] TAGS
 *   topics => name:COMPACT_STRING [partition_index:INT32 error_code:INT16 timestamp:INT64
 *             offset:INT64 leader_epoch:INT32 TAGS] TAGS
 */
export function listOffsets(
  { topic, partition }: Partition,
  timestamp: bigint,
): KafkaRequest<KafkaResult<{ offset: bigint }>> {
  const writer = new WireWriter().int32(CONSUMER).int8(READ_UNCOMMITTED);
  writer.compactArray([topic], (name) => {
    writer.compactString(name).compactArray([partition], (index) => {
      writer.int32(index).int32(ANY_EPOCH).int64(timestamp).noTags();
    });
    writer.noTags();
  });
  writer.noTags();
  const parse = (reader: WireReader) => {
    reader.int32();
    const topics = reader.compactArray(() => {
      reader.compactString();
      const result = onlyItem(reader.compactArray(() => parseOffset(reader)));
      reader.skipTags();
      return result;
    });
    return onlyItem(topics);
  };
  return { api: apis.listOffsets, isFlexible: true, body: [writer.done()], parse };
}

function parseOffset(reader: WireReader): KafkaResult<{ offset: bigint }> {
  reader.int32();
  const errorCode = reader.int16();
  reader.int64();
  const offset = reader.int64();
  reader.int32();
  reader.skipTags();
  return { errorCode, offset };
}
