import { stampProducer } from '../encode/record-batch.ts';
import type { Partition } from '../kafka/kafka-fetch.ts';
import type { ProducerIdentity } from '../kafka/kafka-messages.ts';
import type { ProducerRecord } from '../model/segment.ts';
import type { IntentStore } from '../state/intent-store.ts';
import { lastSequence, type QueuedBatch } from './outgoing-batch.ts';
import { sequenceAfter } from './sequence.ts';

/** Which cluster and which life of a topic. */
export interface TopicIncarnation {
  clusterId: string;
  topicId: string;
}

/** The producer of one partition: its id, its next sequence, and the intents that it has written. What it knows outlives the process. */
export class PartitionLedger implements Partition {
  readonly #store: IntentStore;
  readonly topic: string;
  readonly partition: number;
  /** What is known of the producer's past; undefined when it has none. */
  #record: ProducerRecord | undefined;
  #nextSequence: number;
  /** Those that have a place and no answer, in their order. */
  #open: QueuedBatch[] = [];

  constructor(store: IntentStore, { topic, partition }: Partition) {
    this.#store = store;
    this.topic = topic;
    this.partition = partition;
    this.#record = store.producer(topic, partition);
    this.#nextSequence = this.#record?.nextSequence ?? 0;
  }

  /** undefined: an id is to be had first. */
  get producer(): ProducerIdentity | undefined {
    return this.#record?.producer;
  }

  /** Whether the id may be used to send; without that, only to ask. */
  get isUsable(): boolean {
    return this.#record?.usable === true;
  }

  get incarnation(): TopicIncarnation | undefined {
    return this.#record;
  }

  get nextSequence(): number {
    return this.#nextSequence;
  }

  /** The offset of the last record that Kafka has acknowledged; what has no answer is behind it. */
  get lastOffset(): bigint {
    return this.#record?.lastOffset ?? -1n;
  }

  /** Sends by `producer` from now on, beginning with sequence 0, after `lastOffset`. */
  startProducer(life: TopicIncarnation, producer: ProducerIdentity, lastOffset: bigint): void {
    const { topic, partition } = this;
    this.#record = { topic, partition, ...life, producer, nextSequence: 0, lastOffset, usable: true };
    this.#nextSequence = 0;
    this.#store.startProducer(this.#record);
  }

  /** The id will not be used any more. */
  dropProducer(): void {
    this.#record = undefined;
  }

  /** Takes over what a former process left open: new batches come after it. */
  restore(batches: readonly QueuedBatch[]): void {
    this.#open = [...batches];
    const last = batches.at(-1);
    if (last) this.#nextSequence = sequenceAfter(lastSequence(last), 1);
  }

  /**
   * Gives a batch its place in the sequence, and writes that down, unless it has one, and stamps it with it. Throws StateError when it can't
   * be written down: the batch must wait.
   */
  assignSequence(batch: QueuedBatch): void {
    const producer = this.producer as ProducerIdentity;
    if (batch.baseSequence === undefined) {
      const { topic, partition } = this;
      const baseSequence = this.#nextSequence;
      if (batch.facts) batch.intent = this.#store.add({ ...batch.facts, topic, partition, producer, baseSequence });
      batch.baseSequence = baseSequence;
      this.#nextSequence = sequenceAfter(baseSequence, batch.recordCount);
      this.#open.push(batch);
    }
    if (batch.encoded) stampProducer(batch.encoded, producer, batch.baseSequence);
  }

  /** Kafka has the batch, its first record at `offset` (-1: not told): notes that, together with what the batch's lines lead to. */
  acknowledged(batch: QueuedBatch, offset: bigint): void {
    batch.onAcknowledged();
    if (batch.intent !== undefined) this.#store.acknowledged(batch.intent);
    batch.intent = undefined;
    // One that was sent before, to a leader that does not answer any more, may be answered after it: then it is behind what is noted.
    const first = this.#open[0] === batch;
    this.#open = this.#open.filter((other) => other !== batch);
    if (!this.#record || !first) return;
    const end = offset + BigInt(batch.recordCount - 1);
    // Only a repetition is answered with the offset of another time.
    const lastOffset = offset >= 0n && (end > this.lastOffset || batch.attempts === 1) ? end : this.lastOffset;
    this.#record = { ...this.#record, nextSequence: sequenceAfter(lastSequence(batch), 1), lastOffset };
    this.#store.updateProducer(this.#record);
  }

  /** Kafka does not have these and will not get them by their present place. The next batch takes the place of the first. */
  withdraw(batches: readonly QueuedBatch[]): void {
    const first = batches.find(({ baseSequence }) => baseSequence !== undefined);
    if (first?.baseSequence !== undefined) this.#nextSequence = first.baseSequence;
    for (const batch of batches) {
      if (batch.intent !== undefined) this.#store.withdraw(batch.intent);
      batch.intent = undefined;
      batch.baseSequence = undefined;
    }
    this.#open = this.#open.filter(({ baseSequence }) => baseSequence !== undefined);
  }
}
