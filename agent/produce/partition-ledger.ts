import assert from 'node:assert/strict';
import { stampProducer } from '../encode/record-batch.ts';
import type { Partition } from '../kafka/kafka-fetch.ts';
import type { ProducerIdentity } from '../kafka/kafka-messages.ts';
import type { ProducerRecord } from '../model/segment.ts';
import type { IntentStore } from '../state/intent-store.ts';
import type { QueuedBatch } from './queued-batch.ts';
import { sequenceAfter, sequenceDistance } from './sequence.ts';
import type { TopicIncarnation } from './topic-incarnation.ts';

/**
 * The durable side of a partition's producer: its id, its next sequence, and the intents of its
 * batches. It outlives the process.
 *
 * Invariant: the open batches, those with a sequence that are not acknowledged, are in the order of
 * their sequences.
 */
export class PartitionLedger implements Partition {
  readonly #store: IntentStore;
  readonly topic: string;
  readonly partition: number;
  /** undefined: the partition has no producer id yet. */
  #record: ProducerRecord | undefined;
  #nextSequence: number;
  #open: QueuedBatch[] = [];

  constructor(store: IntentStore, { topic, partition }: Partition) {
    this.#store = store;
    this.topic = topic;
    this.partition = partition;
    this.#record = store.producer(topic, partition);
    this.#nextSequence = this.#record?.nextSequence ?? 0;
  }

  /** undefined: a producer id must be acquired first. */
  get producer(): ProducerIdentity | undefined {
    return this.#record?.producer;
  }

  /** Whether the id may be used to send. If not, Kafka can still be asked about it. */
  get isUsable(): boolean {
    return this.#record?.usable === true;
  }

  /** The topic that the producer id was acquired for. */
  get incarnation(): TopicIncarnation | undefined {
    return this.#record;
  }

  get nextSequence(): number {
    return this.#nextSequence;
  }

  /** The offset of the last acknowledged record. Open batches, if in Kafka, have higher offsets. */
  get lastOffset(): bigint {
    return this.#record?.lastOffset ?? -1n;
  }

  /** Sends as `producer` from now on, beginning with sequence 0, after `lastOffset`. */
  startProducer({ clusterId, topicId }: TopicIncarnation, producer: ProducerIdentity, lastOffset: bigint): void {
    assert(this.#open.length === 0, 'open batches still have sequences of the previous producer id');
    const { topic, partition } = this;
    this.#record = { topic, partition, clusterId, topicId, producer, nextSequence: 0, lastOffset, usable: true };
    this.#nextSequence = 0;
    this.#store.startProducer(this.#record);
  }

  /** Stops using the producer id, also in the next process. */
  dropProducer(): void {
    if (this.#record) this.#store.updateProducer({ ...this.#record, usable: false });
    this.#record = undefined;
  }

  /** Takes over the open batches of the previous process. New batches follow them. */
  restore(batches: readonly QueuedBatch[]): void {
    for (const [index, batch] of batches.entries()) {
      const previous = batches[index - 1];
      const follows = !previous || sequenceDistance(previous.lastSequence, batch.baseSequence as number) > 0;
      assert(follows, `an intent of ${this.topic}/${this.partition} does not follow the one before it`);
    }
    this.#open = [...batches];
    const last = batches.at(-1);
    if (last) this.#nextSequence = sequenceAfter(last.lastSequence, 1);
  }

  /**
   * Prepares a batch for sending: assigns its sequence and stores its intent, unless it has one,
   * and writes both producer and sequence into it. Throws StateError if the intent can't be stored;
   * the batch must wait then.
   */
  assignSequence(batch: QueuedBatch): void {
    const { producer } = this;
    assert(producer, 'a sequence needs a producer id');
    if (batch.baseSequence === undefined) this.#appendOpen(batch, producer);
    if (batch.encoded) stampProducer(batch.encoded, producer, batch.baseSequence as number);
  }

  #appendOpen(batch: QueuedBatch, producer: ProducerIdentity): void {
    const { topic, partition } = this;
    const { facts } = batch;
    const baseSequence = this.#nextSequence;
    const last = this.#open.at(-1);
    assert(!last || sequenceAfter(last.lastSequence, 1) === baseSequence, 'a sequence is skipped or used twice');
    const intent = facts && this.#store.add({ ...facts, topic, partition, producer, baseSequence });
    batch.assignSequence(baseSequence, intent);
    this.#nextSequence = sequenceAfter(baseSequence, batch.recordCount);
    this.#open.push(batch);
  }

  /**
   * Kafka has confirmed the batch; its first record is at `offset` (-1: unknown). Notes that
   * together with the positions that the batch's owner notes.
   */
  acknowledged(batch: QueuedBatch, offset: bigint): void {
    assert(batch.baseSequence !== undefined, 'a batch without a sequence is acknowledged');
    batch.acknowledged();
    if (batch.intent !== undefined) this.#store.acknowledged(batch.intent);
    // If a later batch was acknowledged by a new leader first, this batch is before the noted
    // offset.
    const isFirst = this.#open[0] === batch;
    this.#open = this.#open.filter((other) => other !== batch);
    if (!this.#record || !isFirst) return;
    const end = offset + BigInt(batch.recordCount - 1);
    // Only a resent batch may get the offset of its first attempt.
    const lastOffset = offset >= 0n && (end > this.lastOffset || !batch.mayBeAppended) ? end : this.lastOffset;
    this.#record = { ...this.#record, nextSequence: sequenceAfter(batch.lastSequence, 1), lastOffset };
    this.#store.updateProducer(this.#record);
  }

  /**
   * Takes the sequences of `batches` away, because Kafka does not have them. The next batch gets
   * the sequence of the first. If a request with one of them may still arrive, the producer id is
   * dropped instead: Kafka would take the next batch for a repeat of that request.
   */
  withdraw(batches: readonly QueuedBatch[]): void {
    const first = batches.find(({ baseSequence }) => baseSequence !== undefined);
    if (first?.baseSequence !== undefined) this.#nextSequence = first.baseSequence;
    if (batches.some(({ mayArriveLate }) => mayArriveLate)) this.dropProducer();
    for (const batch of batches) {
      if (batch.intent !== undefined) this.#store.withdraw(batch.intent);
      batch.withdraw();
    }
    this.#open = this.#open.filter(({ baseSequence }) => baseSequence !== undefined);
  }
}
