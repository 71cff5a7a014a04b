import { createBackoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Partition } from '../kafka/kafka-fetch.ts';
import { DeliveryError } from './delivery-error.ts';
import { DeliveryProblem } from './delivery-problem.ts';
import type { KafkaCluster } from './kafka-cluster.ts';
import type { OutgoingBatch, QueuedBatch, RecoveredBatch } from './outgoing-batch.ts';
import { compareSequences, outgoing, parkBatch, recovered } from './outgoing-batch.ts';
import type { PartitionLedger } from './partition-ledger.ts';
import { produceBatch, toDeliveryError } from './produce-batch.ts';
import { acquireProducerId, reconcile, wasTopicRecreated } from './reconcile.ts';
import { SendWindow } from './send-window.ts';

/** A request of a process that is gone is answered, or gone too, after so long. */
const ON_ITS_WAY_MS = 3_000;
const RETRY = { initialMs: 100, maxMs: 5_000 };

/**
 * Sends batches to one partition in order, each once: an idempotent producer of its own, which outlives the process. What a batch is made
 * of is written down before it is sent. A failed batch stops the sending; when all in flight have an answer, the failed ones go again
 * in their order with their first sequences, so that the broker recognises what it has. A new process asks Kafka first what it has.
 * OPEN → SETTLING (waits for what is in flight) → RECOVERING (asks, builds again, or takes a new id) → OPEN; CLOSED at the end. */
export class PartitionProducer {
  readonly #cluster: KafkaCluster;
  readonly partition: Partition;
  readonly #ledger: PartitionLedger;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #trouble: DeliveryProblem;
  readonly #stop = new AbortController();
  readonly #backoff = createBackoff(RETRY);
  #state: 'OPEN' | 'SETTLING' | 'RECOVERING' | 'CLOSED' = 'OPEN';
  #reconciled: boolean;
  #queue: QueuedBatch[] = [];
  readonly #inFlight: QueuedBatch[] = [];
  readonly #failed: QueuedBatch[] = [];
  readonly #window: SendWindow;
  /** How often batches were given back: what was begun before must not overtake them. */
  returnCount = 0;
  /** Kafka may not tell: it is tried once by sending again. */
  #untold = false;
  #order: Promise<void> = Promise.resolve();

  constructor(
    cluster: KafkaCluster,
    ledger: PartitionLedger,
    tools: { clock: Clock; logger: Logger; onFailureChange: () => void },
  ) {
    this.#cluster = cluster;
    this.partition = ledger;
    this.#ledger = ledger;
    this.#reconciled = ledger.producer === undefined;
    this.#clock = tools.clock;
    this.#window = new SendWindow(tools.clock);
    this.#logger = tools.logger.child({ topic: ledger.topic, partition: ledger.partition });
    this.#trouble = new DeliveryProblem({ clock: tools.clock, logger: this.#logger, onChange: tools.onFailureChange });
  }

  /** What holds up delivery, for a person; undefined while nothing waits, all is well or the trouble is young. */
  get failure(): DeliveryError | undefined {
    return this.#queue.length + this.#inFlight.length + this.#failed.length > 0 ? this.#trouble.reportable : undefined;
  }

  /** Runs `task`, which makes a batch ready, after those before it: batches of all routes go in the order in which they were begun. */
  runInOrder(task: () => Promise<void>): void {
    this.#order = this.#order.then(task);
  }

  /** Takes what a former process left open, before anything else. */
  restore(batches: readonly RecoveredBatch[]): void {
    this.#queue = batches.map(recovered);
    this.#ledger.restore(this.#queue);
    this.#drive();
  }

  /** Takes a batch to send after those before it. The caller keeps to IN_FLIGHT_MAX batches without an answer. */
  enqueue(batch: OutgoingBatch): void {
    const sequenced = outgoing(batch);
    this.#queue.push(sequenced);
    if (this.#trouble.reportable) parkBatch(sequenced);
    this.#drive();
  }

  /** Stops sending and forgets what has no answer: the next process asks Kafka whether it is there. */
  close(): void {
    this.#state = 'CLOSED';
    this.#stop.abort();
    this.#queue = [];
  }

  #drive(): void {
    if (this.#state !== 'OPEN') return;
    if (!this.#reconciled || !this.#ledger.producer) {
      if (this.#queue.length > 0) void this.#recover();
      return;
    }
    while (this.#inFlight.length < this.#window.size(this.#inFlight.length)) {
      const [batch] = this.#queue;
      if (batch && !batch.encoded && this.#inFlight.length === 0) void this.#recover();
      if (!batch?.encoded || !this.#lineState(batch)) return;
      this.#queue.shift();
      void this.#send(batch);
    }
  }

  /** Without its intent on the disk a batch is not sent: it waits until the state can be written again. */
  #lineState(batch: QueuedBatch): boolean {
    try {
      this.#ledger.assignSequence(batch);
      return true;
    } catch (error) {
      this.#trouble.report(new DeliveryError('STATE', 'pausing', errorText(error), { cause: error }));
      if (this.#inFlight.length > 0) this.#state = 'SETTLING';
      else void this.#recover();
      return false;
    }
  }

  async #send(batch: QueuedBatch): Promise<void> {
    this.#inFlight.push(batch);
    try {
      const tools = { clock: this.#clock, signal: this.#stop.signal };
      this.#succeeded(batch, await produceBatch(this.#cluster, this.#ledger, batch, tools));
    } catch (error) {
      batch.failure = toDeliveryError(error);
      this.#failed.push(batch);
      if (this.#state === 'OPEN') this.#state = 'SETTLING';
    }
    this.#inFlight.splice(this.#inFlight.indexOf(batch), 1);
    if (this.#state === 'SETTLING' && this.#inFlight.length === 0) this.#settle();
    else this.#drive();
  }

  #succeeded(batch: QueuedBatch, offset: bigint): void {
    const { lastOffset: former } = this.#ledger;
    // A repetition may be answered with the offset of the first time, before those of batches sent since; others come in their order.
    if (batch.attempts === 1 && offset >= 0n && offset <= former) {
      this.#logger.error('offsets went back: Kafka has lost records, or the topic was made anew', { offset, former });
      this.#reconciled = false;
      if (this.#state === 'OPEN') this.#state = 'SETTLING';
    }
    this.#window.succeeded();
    this.#untold = false;
    this.#backoff.reset();
    if (this.#state === 'OPEN') this.#trouble.clear();
    this.#ledger.acknowledged(batch, offset);
  }

  /** All in flight have an answer: puts the failed ones back, in their order, and recovers from what the first one met. */
  #settle(): void {
    const failed = this.#failed.splice(0).sort(compareSequences);
    this.#queue = [...failed, ...this.#queue];
    this.#window.failed();
    const error = failed[0]?.failure;
    if (error) this.#begin(error);
    if (error?.kind === 'too-large' && (failed[0]?.attempts === 1 || this.#untold)) {
      // The broker has refused the first batch and so has none after it.
      this.#handBack(error);
      this.#state = 'OPEN';
    } else {
      if (failed.some(({ failure }) => failure?.isOutcomeUnknown)) this.#reconciled = false;
      void this.#recover();
    }
  }

  /** All lines come again; the first batch was too large, perhaps. */
  #handBack(tooLarge?: DeliveryError): void {
    const batches = this.#queue.splice(0);
    this.#ledger.withdraw(batches);
    this.returnCount++;
    for (const [index, batch] of batches.entries()) batch.onReturned(index === 0 ? tooLarge : undefined);
  }

  async #recover(): Promise<void> {
    this.#state = 'RECOVERING';
    let wait = this.#trouble.isActive;
    while (!this.#stop.signal.aborted) {
      try {
        if (wait) await this.#clock.sleep(this.#backoff.next(), this.#stop.signal);
        if (await wasTopicRecreated(this.#cluster, this.#ledger)) this.#reconciled = false;
        if (!this.#reconciled) await this.#reconcile();
        if (!this.#ledger.producer) await acquireProducerId(this.#cluster, this.#ledger);
        await this.#build();
        break;
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#begin(toDeliveryError(error));
        if (this.#trouble.isPartitionGone) return this.#leave();
        wait = true;
      }
    }
    if (this.#state !== 'RECOVERING') return;
    this.#state = 'OPEN';
    if (this.#queue.length === 0) this.#trouble.clear();
    this.#drive();
  }

  /**
   * Brings what has no answer in accord with what Kafka has: after a crash, and when the broker's sequence is not ours, as after its
   * restart, when it remembers a producer's last batch only.
   */
  async #reconcile(): Promise<void> {
    const open = this.#queue.filter(({ baseSequence }) => baseSequence !== undefined);
    const {
      acknowledged,
      keepsProducerId: continues,
      isCertain: certain,
    } = await reconcile(this.#cluster, this.#ledger, open, this.#logger);
    this.#queue = this.#queue.filter((batch) => !acknowledged.has(batch));
    for (const batch of acknowledged) this.#ledger.acknowledged(batch, -1n);
    if (certain) for (const batch of this.#queue) batch.attempts = 0;
    if (!continues || (!certain && this.#untold)) this.#startAnew();
    this.#untold = !certain;
    this.#reconciled = true;
  }

  /** While trouble lasts, the batches that wait give up their memory: the files are the buffer. */
  #begin(error: DeliveryError): void {
    this.#trouble.report(error);
    if (this.#trouble.reportable) for (const batch of this.#queue) parkBatch(batch);
  }

  /** Nothing of what is open can be in Kafka any more: its lines go wherever their sources go now. */
  #leave(): void {
    this.#trouble.restartTimer();
    this.#ledger.dropProducer();
    this.#reconciled = true;
    this.#state = 'OPEN';
    this.#handBack();
  }

  /**
   * Builds the next batch to be sent, if need be. If that can't be, it goes back with what is after it; not before it is certain that no
   * request of a former process or connection is on its way with it.
   */
  async #build(): Promise<void> {
    const [next] = this.#queue;
    if (next) next.encoded ??= await next.build?.();
    if (!next || next.encoded) return;
    await this.#clock.sleep(ON_ITS_WAY_MS, this.#stop.signal);
    await this.#reconcile();
    if (this.#queue[0] === next) this.#handBack();
    else await this.#build();
  }

  /** Another id: what a former process left is read again, the rest is sent with new places. */
  #startAnew(): void {
    this.#ledger.dropProducer();
    if (this.#queue.some(({ encoded, park }) => !encoded && !park)) this.#handBack();
    else this.#ledger.withdraw(this.#queue);
  }
}
