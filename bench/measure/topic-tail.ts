import { zstdDecompressSync } from 'node:zlib';
import { decompressFrameSync } from 'lz4-napi';
import { BATCH_HEADER_BYTES } from '../../agent/encode/record-batch.ts';
import type { KafkaConnection } from '../../agent/kafka/kafka-connection.ts';
import { type FetchResult, fetch } from '../../agent/kafka/kafka-fetch.ts';
import type { KafkaRequest } from '../../agent/kafka/kafka-request.ts';
import { connect, PARTITIONS } from './topic-end.ts';

const WAIT_MS = 500;
const BYTES_MAX = 8 * 1024 * 1024;

/** By its number in a batch's attributes. */
const DECOMPRESS: Readonly<Record<number, (payload: Buffer) => Buffer>> = {
  0: (payload) => payload,
  3: decompressFrameSync,
  4: zstdDecompressSync,
};

/** Receives each record's value as a range of `bytes`, so that no object is made for a record. */
export type OnRecord = (bytes: Buffer, start: number, end: number) => void;

/**
 * Reads a topic (uncompressed, lz4 or zstd) from its beginning, as soon as records are readable.
 * Each partition has its own connection, on which a fetch always waits at the broker. The floor of
 * the workload `delay` shows how much delay this adds.
 */
export class TopicTail implements AsyncDisposable {
  readonly #connections: KafkaConnection[] = [];
  readonly #topic: string;
  readonly #onRecord: OnRecord;
  #loops: Promise<void>[] = [];
  #failure: unknown;
  #closed = false;

  private constructor(topic: string, onRecord: OnRecord) {
    this.#topic = topic;
    this.#onRecord = onRecord;
  }

  static async open(kafka: string, topic: string, onRecord: OnRecord): Promise<TopicTail> {
    const tail = new TopicTail(topic, onRecord);
    for (let partition = 0; partition < PARTITIONS; partition++) tail.#connections.push(await connect(kafka));
    tail.#loops = tail.#connections.map((connection, partition) =>
      tail.#follow(connection, partition).catch((error: unknown) => {
        if (!tail.#closed) tail.#failure ??= error;
      }),
    );
    return tail;
  }

  /** Throws the error that ended the reading, if there was one. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #follow(connection: KafkaConnection, partition: number): Promise<void> {
    for (let offset = 0n; !this.#closed; ) {
      const { errorCode, records } = await connection.request(
        waiting(fetch({ topic: this.#topic, partition }, offset, BYTES_MAX)),
      );
      if (errorCode !== 0) throw new Error(`Kafka gives nothing of ${this.#topic}: error ${errorCode}`);
      offset = readBatches(records, offset, this.#onRecord);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const connection of this.#connections) connection.close();
    await Promise.all(this.#loops);
  }
}

/**
 * The agent's fetch does not wait for records; this one does. FetchRequest => replica_id:INT32
 * max_wait_ms:INT32 min_bytes:INT32 …
 */
function waiting(request: KafkaRequest<FetchResult>): KafkaRequest<FetchResult> {
  const [body] = request.body as [Buffer];
  body.writeInt32BE(WAIT_MS, 4);
  body.writeInt32BE(1, 8);
  return request;
}

/** Passes on the records of the whole batches from `offset`; returns the offset behind them. */
export function readBatches(log: Buffer, offset: bigint, onRecord: OnRecord): bigint {
  let next = offset;
  for (let at = 0; at + BATCH_HEADER_BYTES <= log.length; ) {
    const length = log.readInt32BE(at + 8) + 12;
    if (at + length > log.length) break;
    const first = log.readBigInt64BE(at);
    const payload = log.subarray(at + BATCH_HEADER_BYTES, at + length);
    const compression = log.readInt16BE(at + 21) & 7;
    const decompress = DECOMPRESS[compression];
    if (!decompress) throw new Error(`a batch with compression ${compression}`);
    readRecords(decompress(payload), log.readInt32BE(at + 57), Number(next - first), onRecord);
    next = first + BigInt(log.readInt32BE(at + 23)) + 1n;
    at += length;
  }
  return next;
}

/*
 * Record => length:VARINT attributes:INT8 timestamp_delta:VARLONG offset_delta:VARINT
 *           key:VARINT_BYTES value:VARINT_BYTES [headers]
 */
function readRecords(bytes: Buffer, count: number, skip: number, onRecord: OnRecord): void {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
  };
  for (let index = 0; index < count; index++) {
    const end = varint() + at;
    at++;
    varint();
    varint();
    const keyLength = varint();
    at += Math.max(keyLength, 0);
    const length = Math.max(varint(), 0);
    if (index >= skip) onRecord(bytes, at, at + length);
    at = end;
  }
}
