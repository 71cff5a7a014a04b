import { version as ownVersion } from '../../runtime/version.ts';
import type { KafkaApi, KafkaRequest } from './kafka-request.ts';
import type { WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

/*
 * The requests that an agent sends, each in one version
 * (https://kafka.apache.org/protocol#protocol_messages). TAGS are the tagged fields of flexible
 * versions (KIP-482). The agent sends none.
 */
export const apis = {
  produce: { name: 'Produce', key: 0, version: 9, since: '2.8' },
  fetch: { name: 'Fetch', key: 1, version: 12, since: '2.7' },
  listOffsets: { name: 'ListOffsets', key: 2, version: 7, since: '3.0' },
  metadata: { name: 'Metadata', key: 3, version: 12, since: '3.1' },
  saslHandshake: { name: 'SaslHandshake', key: 17, version: 1, since: '1.0' },
  apiVersions: { name: 'ApiVersions', key: 18, version: 3, since: '2.4' },
  initProducerId: { name: 'InitProducerId', key: 22, version: 4, since: '2.7' },
  saslAuthenticate: { name: 'SaslAuthenticate', key: 36, version: 2, since: '2.5' },
  describeProducers: { name: 'DescribeProducers', key: 61, version: 0, since: '2.8' },
} as const satisfies Record<string, KafkaApi>;

/** An idempotent producer, as brokers identify it (KIP-98). */
export interface ProducerIdentity {
  id: bigint;
  epoch: number;
}

/*
 * ApiVersionsRequest v3 => client_software_name:COMPACT_STRING
 *                          client_software_version:COMPACT_STRING TAGS
 * ApiVersionsResponse v3 => error_code:INT16 [api_key:INT16 min:INT16 max:INT16 TAGS]
 *                           throttle_time_ms:INT32 TAGS
 */
export function apiVersions(): KafkaRequest<Map<number, { min: number; max: number }>> {
  const writer = new WireWriter().compactString('logfleet').compactString(ownVersion).noTags();
  const parse = (reader: WireReader) => {
    // An older broker responds in version 0 with an error. It has none of the required versions.
    if (reader.int16() !== 0) return new Map();
    const ranges = reader.compactArray(() => {
      const range = [reader.int16(), { min: reader.int16(), max: reader.int16() }] as const;
      reader.skipTags();
      return range;
    });
    return new Map(ranges);
  };
  return { api: apis.apiVersions, isFlexible: true, body: [writer.done()], parse };
}

export interface TopicMetadata {
  errorCode: number;
  /** Hex. A topic that is deleted and created again gets another id (KIP-516). */
  id: string;
  /** The leader's node id by partition; -1: no leader. */
  leaders: number[];
}

export interface ClusterMetadata {
  clusterId: string;
  /** By node id. */
  brokers: Map<number, { host: string; port: number }>;
  topics: Map<string, TopicMetadata>;
}

/*
 * MetadataRequest v12 => [topic_id:UUID name:COMPACT_NULLABLE_STRING TAGS]
 *                        allow_auto_topic_creation:BOOLEAN
 *                        include_topic_authorized_operations:BOOLEAN TAGS
 * MetadataResponse v12 => throttle_time_ms:INT32 [brokers] cluster_id:COMPACT_NULLABLE_STRING
 *                         controller_id:INT32 [topics] TAGS
 *   brokers => node_id:INT32 host:COMPACT_STRING port:INT32 rack:COMPACT_NULLABLE_STRING TAGS
 *   topics => error_code:INT16 name:COMPACT_NULLABLE_STRING topic_id:UUID is_internal:BOOLEAN
 *             [partitions] topic_authorized_operations:INT32 TAGS
 *     partitions => error_code:INT16 partition_index:INT32 leader_id:INT32 leader_epoch:INT32
 *                   [replica:INT32] [isr:INT32] [offline:INT32] TAGS
 */
export function metadata(topics: readonly string[], createTopics: boolean): KafkaRequest<ClusterMetadata> {
  const writer = new WireWriter();
  writer.compactArray(topics, (topic) => writer.noUuid().compactString(topic).noTags());
  writer.boolean(createTopics).boolean(false).noTags();
  const parse = (reader: WireReader) => {
    reader.int32();
    const brokers = reader.compactArray(() => parseBroker(reader));
    const clusterId = reader.compactString() ?? '';
    reader.int32();
    return { clusterId, brokers: new Map(brokers), topics: new Map(reader.compactArray(() => parseTopic(reader))) };
  };
  return { api: apis.metadata, isFlexible: true, body: [writer.done()], parse };
}

function parseBroker(reader: WireReader): [number, { host: string; port: number }] {
  const nodeId = reader.int32();
  const address = { host: reader.compactString() ?? '', port: reader.int32() };
  reader.compactString();
  reader.skipTags();
  return [nodeId, address];
}

function parseTopic(reader: WireReader): [string, TopicMetadata] {
  const errorCode = reader.int16();
  const name = reader.compactString() ?? '';
  const id = reader.uuid();
  reader.boolean();
  const leaders: number[] = [];
  reader.compactArray(() => {
    reader.int16();
    const partition = reader.int32();
    leaders[partition] = reader.int32();
    reader.int32();
    for (let list = 0; list < 3; list++) reader.compactArray(() => reader.int32());
    reader.skipTags();
  });
  reader.int32();
  reader.skipTags();
  return [name, { errorCode, id, leaders }];
}

/** A response, or a part of one, with Kafka's error code. 0: success. */
export type KafkaResult<Value> = Value & { errorCode: number };

/*
 * InitProducerIdRequest v4 => transactional_id:COMPACT_NULLABLE_STRING
 *                             transaction_timeout_ms:INT32 producer_id:INT64
 *                             producer_epoch:INT16 TAGS
 * InitProducerIdResponse v4 => throttle_time_ms:INT32 error_code:INT16 producer_id:INT64
 *                              producer_epoch:INT16 TAGS
 */
export function initProducerId(): KafkaRequest<KafkaResult<ProducerIdentity>> {
  const writer = new WireWriter().compactString(null).int32(0).int64(-1n).int16(-1).noTags();
  const parse = (reader: WireReader) => {
    reader.int32();
    return { errorCode: reader.int16(), id: reader.int64(), epoch: reader.int16() };
  };
  return { api: apis.initProducerId, isFlexible: true, body: [writer.done()], parse };
}

/** What a partition's leader knows of one producer. */
export interface ActiveProducer extends ProducerIdentity {
  lastSequence: number;
}

/*
 * DescribeProducersRequest v0 => [name:COMPACT_STRING [partition:INT32] TAGS] TAGS
 * DescribeProducersResponse v0 => throttle_time_ms:INT32
 *                                 [name:COMPACT_STRING [partitions] TAGS] TAGS
 *   partitions => partition_index:INT32 error_code:INT16
 *                 error_message:COMPACT_NULLABLE_STRING [active_producers] TAGS
 *     active_producers => producer_id:INT64 producer_epoch:INT32 last_sequence:INT32
 *                         last_timestamp:INT64 coordinator_epoch:INT32
 *                         current_txn_start_offset:INT64 TAGS
 */
export function describeProducers(
  topic: string,
  partition: number,
): KafkaRequest<KafkaResult<{ errorMessage: string | null; producers: ActiveProducer[] }>> {
  const writer = new WireWriter();
  writer.compactArray([topic], (name) => {
    writer.compactString(name).compactArray([partition], (index) => writer.int32(index));
    writer.noTags();
  });
  writer.noTags();
  const parse = (reader: WireReader) => {
    reader.int32();
    const topics = reader.compactArray(() => {
      reader.compactString();
      return onlyItem(reader.compactArray(() => parseProducers(reader)));
    });
    return onlyItem(topics);
  };
  return { api: apis.describeProducers, isFlexible: true, body: [writer.done()], parse };
}

function parseProducers(reader: WireReader): KafkaResult<{ errorMessage: string | null; producers: ActiveProducer[] }> {
  reader.int32();
  const errorCode = reader.int16();
  const errorMessage = reader.compactString();
  const producers = reader.compactArray(() => {
    const producer = { id: reader.int64(), epoch: reader.int32(), lastSequence: reader.int32() };
    reader.int64();
    reader.int32();
    reader.int64();
    reader.skipTags();
    return producer;
  });
  reader.skipTags();
  return { errorCode, errorMessage, producers };
}

/** Each request is about one partition of one topic, so each response has one item. */
export function onlyItem<Item>(items: readonly Item[]): Item {
  if (items.length !== 1) throw new RangeError(`${items.length} items in a response to a request for one`);
  return items[0] as Item;
}
