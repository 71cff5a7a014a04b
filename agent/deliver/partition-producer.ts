import { createBackoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { kafkaErrorName } from '../kafka/kafka-error.ts';
import type { ProducerIdentity } from '../kafka/kafka-messages.ts';
import { DeliveryError, DUPLICATE_SEQUENCE_NUMBER, kafkaAnswerError } from './delivery-error.ts';
import type { KafkaCluster } from './kafka-cluster.ts';
import { lastSequenceOf } from './last-sequence.ts';
import { lastOf, type OutgoingBatch, type Sequenced } from './outgoing-batch.ts';
import { stampProducer } from './record-batch.ts';
import { sequenceAfter, sequenceDistance } from './sequence.ts';
import { Trouble } from './trouble.ts';

/** Kafka remembers the last five batches of a producer on a partition (KIP-98, KIP-185): more in flight could not be told apart. */
export const IN_FLIGHT_MAX = 5;
/** Much less than any sensible `producer.id.expiration.ms`. */
const IDLE_MS = 60_000;
const RETRY = { initialMs: 100, maxMs: 5_000 };

/**
 * Sends batches to one partition in order, each once: an idempotent producer of its own. A failed batch stops the sending; when all
 * in flight have an answer, the failed ones go again in their order with their first sequences, so that the broker recognises
 * what it has. OPEN → SETTLING (waits for what is in flight) → RECOVERING (waits, asks, or takes a new id) → OPEN; CLOSED at the end.
 */
export class PartitionProducer {
  readonly #cluster: KafkaCluster;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #trouble: Trouble;
  readonly #stop = new AbortController();
  readonly #backoff = createBackoff(RETRY);
  readonly topic: string;
  readonly partition: number;
  #state: 'OPEN' | 'SETTLING' | 'RECOVERING' | 'CLOSED' = 'OPEN';
  #identity: ProducerIdentity | undefined;
  #nextSequence = 0;
  #queue: Sequenced[] = [];
  #inFlight: Sequenced[] = [];
  #failed: Sequenced[] = [];
  /** One until an answer was good: a broker accepts any sequence of an id that it does not know, so a gap would go unseen. */
  #limit = 1;
  #successMs = 0;
  #returns = 0;
  /** Batches are compressed side by side, and take their turns. */
  #order: Promise<void> = Promise.resolve();
  #lastOffset = -1n;

  constructor(
    cluster: KafkaCluster,
    target: { topic: string; partition: number },
    tools: { clock: Clock; logger: Logger; onFailureChange: () => void },
  ) {
    this.#cluster = cluster;
    this.topic = target.topic;
    this.partition = target.partition;
    this.#clock = tools.clock;
    this.#logger = tools.logger.child(target);
    this.#trouble = new Trouble({ clock: tools.clock, logger: this.#logger, onChange: tools.onFailureChange });
  }

  /** What holds up delivery, for a person; undefined while all is well or the trouble is young. */
  get failure(): DeliveryError | undefined {
    return this.#trouble.shown;
  }

  /** How often batches were given back: what was begun before must not overtake them. */
  get returns(): number {
    return this.#returns;
  }

  /** Runs `task`, which makes a batch ready, after those before it: batches of all routes go in the order in which they were begun. */
  inOrder(task: () => Promise<void>): void {
    this.#order = this.#order.then(task);
  }

  /** Takes a batch to send after those before it. The caller keeps to IN_FLIGHT_MAX batches without an answer. */
  enqueue(batch: OutgoingBatch): void {
    this.#queue.push({ ...batch, baseSequence: undefined, attempts: 0, failure: undefined });
    this.#drive();
  }

  /** Stops sending and forgets what has no answer: it was not acknowledged, so it will be read again. */
  close(): void {
    this.#state = 'CLOSED';
    this.#stop.abort();
    this.#queue = [];
  }

  #drive(): void {
    if (this.#state !== 'OPEN') return;
    if (!this.#identity) {
      if (this.#queue.length > 0) this.#recover();
      return;
    }
    // Brokers forget the ids of idle producers, after a day unless told otherwise: then the first answer counts again.
    if (this.#inFlight.length === 0 && this.#clock.monotonicMs() - this.#successMs > IDLE_MS) this.#limit = 1;
    while (this.#inFlight.length < this.#limit) {
      const batch = this.#queue.shift();
      if (!batch) return;
      void this.#send(batch, this.#identity);
    }
  }

  async #send(batch: Sequenced, identity: ProducerIdentity): Promise<void> {
    if (batch.baseSequence === undefined) {
      batch.baseSequence = this.#nextSequence;
      this.#nextSequence = sequenceAfter(batch.baseSequence, batch.recordCount);
      stampProducer(batch.encoded, identity, batch.baseSequence);
    }
    this.#inFlight.push(batch);
    batch.failure = await this.#attempt(batch);
    this.#inFlight.splice(this.#inFlight.indexOf(batch), 1);
    if (this.#state === 'CLOSED') {
      if (!batch.failure) batch.onDelivered();
      return;
    }
    if (batch.failure) {
      this.#failed.push(batch);
      if (this.#state === 'OPEN') this.#state = 'SETTLING';
    } else {
      this.#succeeded(batch);
    }
    if (this.#state === 'SETTLING' && this.#inFlight.length === 0) this.#settle();
    else this.#drive();
  }

  async #attempt(batch: Sequenced): Promise<DeliveryError | undefined> {
    batch.attempts++;
    try {
      const answer = await this.#cluster.produce(this.topic, this.partition, batch.encoded);
      if (answer.throttleMs > 0) await this.#clock.sleep(answer.throttleMs, this.#stop.signal).catch(() => {});
      if (answer.errorCode === DUPLICATE_SEQUENCE_NUMBER) return undefined;
      if (answer.errorCode !== 0) {
        return kafkaAnswerError(answer.errorCode, kafkaErrorName(answer.errorCode), answer.errorMessage);
      }
      // A repetition may be answered with the offset of the first time, before those of batches sent since.
      if (batch.attempts === 1) this.#checkOffset(answer.baseOffset);
      return undefined;
    } catch (error) {
      return error as DeliveryError;
    }
  }

  /** Answers come in the order of the batches, so their offsets rise. */
  #checkOffset(offset: bigint): void {
    if (offset <= this.#lastOffset) {
      const fields = { offset, former: this.#lastOffset };
      this.#logger.error('offsets went back: the topic was created anew or has lost records', fields);
    }
    this.#lastOffset = offset;
  }

  #succeeded(batch: Sequenced): void {
    this.#limit = IN_FLIGHT_MAX;
    this.#successMs = this.#clock.monotonicMs();
    this.#backoff.reset();
    if (this.#state === 'OPEN') this.#trouble.end();
    batch.onDelivered();
  }

  /** All in flight have an answer: puts the failed ones back, in their order, and recovers from what the first one met. */
  #settle(): void {
    const failed = this.#failed.sort((a, b) => sequenceDistance(b.baseSequence as number, a.baseSequence as number));
    this.#failed = [];
    this.#queue = [...failed, ...this.#queue];
    const first = failed[0] as Sequenced;
    const error = first.failure as DeliveryError;
    this.#trouble.begin(error);
    this.#limit = 1;
    if (error.kind === 'too-large' && first.recordCount > 1) this.#handBack(first.baseSequence as number, error);
    else if (error.kind === 'sequence') this.#recover(() => this.#compareSequences());
    else this.#recover();
  }

  /** The broker has refused the first batch and so has none after it: their lines come again in smaller batches. */
  #handBack(firstSequence: number, error: DeliveryError): void {
    const batches = this.#queue;
    this.#queue = [];
    this.#nextSequence = firstSequence;
    this.#returns++;
    this.#state = 'OPEN';
    for (const batch of batches) batch.onTooLarge(error);
  }

  #recover(step: () => Promise<void> = async () => {}): void {
    this.#state = 'RECOVERING';
    void this.#recovery(step);
  }

  async #recovery(step: () => Promise<void>): Promise<void> {
    let wait = this.#trouble.there;
    while (!this.#stop.signal.aborted) {
      try {
        if (wait) await this.#clock.sleep(this.#backoff.next(), this.#stop.signal);
        await this.#cluster.refresh(this.topic);
        await step();
        this.#identity ??= await this.#cluster.initProducer();
        break;
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        const failure =
          error instanceof DeliveryError ? error : new DeliveryError('NETWORK', 'retriable', errorText(error));
        this.#trouble.begin(failure);
        wait = true;
      }
    }
    if (this.#state !== 'RECOVERING') return;
    this.#state = 'OPEN';
    this.#drive();
  }

  /**
   * The broker's sequence is not ours, as after its restart, when it remembers a producer's last batch only. DescribeProducers tells
   * exactly what it has: that is delivered, the rest goes again. An id that it does not know any more leaves it open.
   */
  async #compareSequences(): Promise<void> {
    const last = this.#identity && (await lastSequenceOf(this.#cluster, this, this.#identity));
    if (last !== undefined) {
      while (this.#queue[0]?.baseSequence !== undefined && sequenceDistance(lastOf(this.#queue[0]), last) >= 0) {
        this.#queue.shift()?.onDelivered();
      }
      const next = this.#queue[0]?.baseSequence;
      if (next === undefined || next === sequenceAfter(last, 1)) return;
    }
    this.#logger.warn(
      'Kafka has forgotten the producer id: batches without an answer go again and may be there twice',
      {
        batches: this.#queue.filter(({ baseSequence }) => baseSequence !== undefined).length,
      },
    );
    this.#identity = undefined;
    this.#nextSequence = 0;
    for (const batch of this.#queue) batch.baseSequence = undefined;
  }
}
