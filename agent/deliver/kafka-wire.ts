import { type Connection, protocolErrorsCodesById, type Reader, Writer } from '@platformatic/kafka';

export const PRODUCE = 0;
/** Versions 9 to 11 have one request format (https://kafka.apache.org/protocol#The_Messages_Produce); 9 came with Kafka 2.8. */
export const PRODUCE_VERSIONS = { min: 9, max: 11 } as const;
const ACKS_ALL = -1;

/** Kafka's answer for one partition. */
export interface ProduceAnswer {
  /** 0: appended. */
  errorCode: number;
  errorMessage: string | null;
  /** The offset of the batch's first record; the first append's own one when the batch was a repetition, or -1. */
  baseOffset: bigint;
  /** How long the broker asks to wait because of a quota, ms. */
  throttleMs: number;
}

export interface ProduceTarget {
  topic: string;
  partition: number;
  /** One of PRODUCE_VERSIONS. */
  version: number;
  /** How long the broker may wait for the in-sync replicas. */
  timeoutMs: number;
}

/**
 * Sends one batch to the partition's leader and waits for all in-sync replicas. Rejects with the library's error when there
 * is no answer; the caller then does not know whether the batch was appended.
 */
export function sendProduce(connection: Connection, target: ProduceTarget, batch: Buffer): Promise<ProduceAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<ProduceAnswer>();
  connection.send<ProduceAnswer>(
    PRODUCE,
    target.version,
    () => produceRequest(target, batch),
    (_correlation, _key, version, reader) => parseProduceAnswer(reader, version),
    true,
    true,
    (error, answer) => (error || !answer ? reject(error ?? new Error('an empty answer')) : resolve(answer)),
  );
  return promise;
}

/*
 * ProduceRequest v9-v11 => transactional_id:COMPACT_NULLABLE_STRING acks:INT16 timeout_ms:INT32 [topic_data] TAGS
 *   topic_data => name:COMPACT_STRING [partition_data] TAGS
 *     partition_data => index:INT32 records:COMPACT_RECORDS TAGS
 */
function produceRequest({ topic, partition, timeoutMs }: ProduceTarget, batch: Buffer): Writer {
  return Writer.create()
    .appendString(null)
    .appendInt16(ACKS_ALL)
    .appendInt32(timeoutMs)
    .appendUnsignedVarInt(2)
    .appendString(topic)
    .appendUnsignedVarInt(2)
    .appendInt32(partition)
    .appendUnsignedVarInt(batch.length + 1)
    .append(batch)
    .appendTaggedFields()
    .appendTaggedFields()
    .appendTaggedFields();
}

/*
 * ProduceResponse v9-v11 => [responses] throttle_time_ms:INT32 TAGS
 *   responses => name:COMPACT_STRING [partition_responses] TAGS
 *     partition_responses => index:INT32 error_code:INT16 base_offset:INT64 log_append_time_ms:INT64 log_start_offset:INT64
 *                            [record_errors] error_message:COMPACT_NULLABLE_STRING TAGS
 *       record_errors => batch_index:INT32 batch_index_error_message:COMPACT_NULLABLE_STRING TAGS
 */
function parseProduceAnswer(reader: Reader, _version: number): ProduceAnswer {
  const answers = reader.readArray(
    (topic) => {
      topic.readString();
      const partitions = topic.readArray(parsePartition, true, false);
      topic.readTaggedFields();
      return partitions[0];
    },
    true,
    false,
  );
  const throttleMs = reader.readInt32();
  const answer = answers[0];
  if (!answer) throw new Error("a produce answer without the request's partition");
  return { ...answer, throttleMs };
}

function parsePartition(reader: Reader): Omit<ProduceAnswer, 'throttleMs'> {
  reader.readInt32();
  const errorCode = reader.readInt16();
  const baseOffset = reader.readInt64();
  reader.readInt64();
  reader.readInt64();
  const recordErrors = reader.readArray(
    (record) => {
      record.readInt32();
      const message = record.readNullableString();
      record.readTaggedFields();
      return message;
    },
    true,
    false,
  );
  const message = reader.readNullableString();
  reader.readTaggedFields();
  return { errorCode, baseOffset, errorMessage: message ?? recordErrors.find((text) => text !== null) ?? null };
}

export function kafkaErrorName(code: number): string {
  return (protocolErrorsCodesById as Readonly<Record<number, string>>)[code] ?? 'UNKNOWN_ERROR';
}
