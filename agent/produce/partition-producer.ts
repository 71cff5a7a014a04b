import { createBackoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText, rethrowDefect } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Partition } from '../kafka/kafka-fetch.ts';
import { acquireProducer, wasTopicRecreated } from './acquire-producer.ts';
import type { BatchMaker } from './batch-maker.ts';
import { DeliveryError, toDeliveryError } from './delivery-error.ts';
import { DeliveryProblem } from './delivery-problem.ts';
import type { KafkaCluster } from './kafka-cluster.ts';
import type { PartitionLedger } from './partition-ledger.ts';
import { produceBatch } from './produce-batch.ts';
import { type ProducerState, transition } from './producer-state.ts';
import { compareSequences, type OutgoingBatch, QueuedBatch, type RecoveredBatch } from './queued-batch.ts';
import { reconcile } from './reconcile.ts';
import { SendWindow } from './send-window.ts';

/** After this time a request of a killed process has usually arrived or is lost. */
const IN_TRANSIT_MS = 3_000;
const RETRY = { initialMs: 100, maxMs: 5_000 };

export interface ProducerDependencies {
  clock: Clock;
  logger: Logger;
  onFailureChange: () => void;
}

/**
 * Sends batches to one partition, in order and each once, as an idempotent producer (KIP-98) whose
 * id outlives the process. The content of a batch is stored before the batch is sent.
 */
export class PartitionProducer {
  readonly partition: Partition;
  readonly #cluster: KafkaCluster;
  readonly #ledger: PartitionLedger;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #problem: DeliveryProblem;
  readonly #window: SendWindow;
  readonly #stop = new AbortController();
  readonly #backoff = createBackoff(RETRY);
  #state: ProducerState = 'OPEN';
  #isReconciled: boolean;
  /** Kafka does not permit the agent to find out what it has. Sending again is tried once. */
  #isUncertain = false;
  readonly #makers: BatchMaker[] = [];
  #queue: QueuedBatch[] = [];
  readonly #inFlight: QueuedBatch[] = [];
  readonly #failed: QueuedBatch[] = [];
  #returnCount = 0;
  #order: Promise<void> = Promise.resolve();

  constructor(cluster: KafkaCluster, ledger: PartitionLedger, needs: ProducerDependencies) {
    const { clock, logger, onFailureChange } = needs;
    this.partition = ledger;
    this.#cluster = cluster;
    this.#ledger = ledger;
    this.#isReconciled = ledger.producer === undefined;
    this.#clock = clock;
    this.#window = new SendWindow(clock);
    this.#logger = logger.child({ topic: ledger.topic, partition: ledger.partition });
    this.#problem = new DeliveryProblem({ clock, logger: this.#logger, onChange: onFailureChange });
  }

  /** Why delivery is held up; undefined if nothing waits, or the problem will probably pass. */
  get failure(): DeliveryError | undefined {
    const { reportable } = this.#problem;
    const hasBatches = this.#queue.length + this.#inFlight.length + this.#failed.length > 0;
    return hasBatches || (reportable && this.#makers.some(({ hasWork }) => hasWork)) ? reportable : undefined;
  }

  /** `maker` is resumed when `openMax` has grown. */
  addMaker(maker: BatchMaker): void {
    this.#makers.push(maker);
  }

  /** How many open batches a maker may have now. */
  get openMax(): number {
    return this.#window.openMax(this.#state === 'OPEN');
  }

  /**
   * How often batches were returned. A batch that was begun before the last time must not overtake
   * the returned lines.
   */
  get returnCount(): number {
    return this.#returnCount;
  }

  /**
   * Runs `task`, which prepares a batch, after the tasks before it. So batches of all routes are
   * sent in the order in which they were begun.
   */
  runInOrder(task: () => Promise<void>): void {
    this.#order = this.#order.then(task);
  }

  /** Takes over the open batches of the previous process. Call it before `enqueue`. */
  restore(batches: readonly RecoveredBatch[]): void {
    this.#queue = batches.map(QueuedBatch.fromRecovered);
    this.#ledger.restore(this.#queue);
    this.#sendQueued();
  }

  /** Sends a batch after those before it. The caller has at most `openMax` open batches. */
  enqueue(batch: OutgoingBatch): void {
    const queued = QueuedBatch.fromOutgoing(batch);
    const isBlocked = this.#problem.reportable && !this.#window.isRefused;
    // A parked batch ahead waits for memory, which batches behind it must not hold.
    if (isBlocked || this.#queue.some(({ isParked }) => isParked)) queued.park();
    this.#queue.push(queued);
    this.#sendQueued();
  }

  /** Stops sending. The next process asks Kafka about the batches without a response. */
  close(): void {
    if (this.#state === 'CLOSED') return;
    this.#enter('CLOSED');
    this.#stop.abort();
    this.#queue = [];
  }

  #enter(state: ProducerState): void {
    this.#state = transition(this.#state, state);
  }

  #sendQueued(): void {
    if (this.#state !== 'OPEN') return;
    if (!this.#isReconciled || !this.#ledger.producer) {
      if (this.#queue.length > 0) void this.#recover();
      return;
    }
    while (this.#inFlight.length < this.#window.size(this.#inFlight.length)) {
      const [batch] = this.#queue;
      if (batch && !batch.encoded && this.#inFlight.length === 0) void this.#recover();
      if (!batch?.encoded || !this.#assignSequence(batch)) return;
      this.#queue.shift();
      void this.#send(batch);
    }
  }

  /** False if the batch's intent can't be stored: it waits until the state can be written again. */
  #assignSequence(batch: QueuedBatch): boolean {
    try {
      this.#ledger.assignSequence(batch);
      return true;
    } catch (error) {
      rethrowDefect(error);
      this.#problem.report(new DeliveryError('STATE', 'pausing', errorText(error), { cause: error }));
      if (this.#inFlight.length > 0) this.#enter('SETTLING');
      else void this.#recover();
      return false;
    }
  }

  async #send(batch: QueuedBatch): Promise<void> {
    this.#inFlight.push(batch);
    try {
      const waiting = { clock: this.#clock, signal: this.#stop.signal };
      this.#acknowledged(batch, await produceBatch(this.#cluster, this.#ledger, batch, waiting));
    } catch (error) {
      batch.failed(toDeliveryError(error));
      this.#failed.push(batch);
      if (this.#state === 'OPEN') this.#enter('SETTLING');
    }
    this.#inFlight.splice(this.#inFlight.indexOf(batch), 1);
    if (this.#state === 'SETTLING' && this.#inFlight.length === 0) this.#settle();
    else this.#sendQueued();
  }

  #acknowledged(batch: QueuedBatch, offset: bigint): void {
    const { lastOffset: previous } = this.#ledger;
    // Only a resent batch may get the offset of its first attempt, which is before those of later
    // batches.
    if (!batch.mayBeAppended && offset >= 0n && offset <= previous) {
      this.#logger.error('offsets went back: Kafka lost records, or the topic was recreated', { offset, previous });
      this.#isReconciled = false;
      if (this.#state === 'OPEN') this.#enter('SETTLING');
    }
    this.#window.succeeded();
    this.#isUncertain = false;
    this.#backoff.reset();
    if (this.#state === 'OPEN') this.#problem.clear();
    this.#ledger.acknowledged(batch, offset);
  }

  /** Nothing is in flight: puts the failed batches back in order and handles the first error. */
  #settle(): void {
    const failed = this.#failed.splice(0).sort(compareSequences);
    this.#queue = [...failed, ...this.#queue];
    this.#window.failed();
    const error = failed[0]?.failure;
    if (error) this.#report(error);
    const isRefused = error?.isRefusal === true && this.#problem.reportable !== undefined;
    if (isRefused && (this.#isUncertain || !failed.some(({ mayBeAppended }) => mayBeAppended))) {
      this.#returnRefused(error);
      if (error.kind === 'too-large') return void this.#open();
    } else if (isRefused || failed.some(({ failure }) => failure?.isOutcomeUnknown)) this.#isReconciled = false;
    void this.#recover();
  }

  /** The broker has not appended the first batch, so it has none of the later ones. */
  #returnRefused(error: DeliveryError): void {
    const tooLarge = error.kind === 'too-large' ? error : undefined;
    // Before batches are returned: their makers must not make the next ones yet.
    if (!tooLarge) this.#window.refused();
    this.#returnAll(tooLarge);
  }

  #open(): void {
    this.#enter('OPEN');
    this.#sendQueued();
    for (const maker of this.#makers) maker.resume();
  }

  /** Returns all batches to their owners. `tooLarge`: the error of the first one. */
  #returnAll(tooLarge?: DeliveryError): void {
    const batches = this.#queue.splice(0);
    this.#ledger.withdraw(batches);
    this.#returnCount++;
    for (const [index, batch] of batches.entries()) batch.returned(index === 0 ? tooLarge : undefined);
  }

  async #recover(): Promise<void> {
    this.#enter('RECOVERING');
    let wait = this.#problem.isActive;
    while (!this.#stop.signal.aborted) {
      try {
        if (wait) await this.#clock.sleep(this.#backoff.next(), this.#stop.signal);
        if (await wasTopicRecreated(this.#cluster, this.#ledger)) this.#isReconciled = false;
        if (!this.#isReconciled) await this.#reconcile();
        if (!this.#ledger.producer) await acquireProducer(this.#cluster, this.#ledger);
        await this.#buildFirst();
        break;
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#report(toDeliveryError(error));
        if (this.#problem.isPartitionGone) return this.#leavePartition();
        wait = true;
      }
    }
    if (this.#state !== 'RECOVERING') return;
    if (this.#queue.length === 0 && !this.#window.isRefused) this.#problem.clear();
    this.#open();
  }

  /**
   * Settles the open batches with what Kafka has. Needed after a crash, and when the broker's
   * sequence differs from ours, as after its restart, when it knows a producer's last batch only.
   */
  async #reconcile(): Promise<void> {
    const open = this.#queue.filter(({ isUnsent }) => !isUnsent);
    const found = await reconcile(this.#cluster, this.#ledger, open, this.#logger);
    this.#queue = this.#queue.filter((batch) => !found.acknowledged.has(batch));
    for (const batch of found.acknowledged) this.#ledger.acknowledged(batch, -1n);
    if (found.isCertain) for (const batch of this.#queue) batch.foundMissing();
    if (!found.keepsProducerId || (!found.isCertain && this.#isUncertain)) this.#dropProducer();
    this.#isUncertain = !found.isCertain;
    this.#isReconciled = true;
  }

  /** While a problem lasts, waiting batches give up their memory: the files are the buffer. */
  #report(error: DeliveryError): void {
    this.#problem.report(error);
    if (error.isRefusal && this.#queue.every(({ isUnsent }) => isUnsent)) this.#returnRefused(error);
    if (this.#problem.reportable) for (const batch of this.#queue) batch.park();
  }

  /** The partition is gone, and with it the open batches: their lines go where their sources go. */
  #leavePartition(): void {
    this.#problem.restartTimer();
    this.#ledger.dropProducer();
    this.#isReconciled = true;
    this.#returnAll();
    this.#open();
  }

  /**
   * Builds the next batch if it is not encoded. If its bytes no longer exist, it is returned with
   * those after it, but only once a request with it is hardly in transit any more.
   */
  async #buildFirst(): Promise<void> {
    const [next] = this.#queue;
    if (!next || (await next.build())) return;
    await this.#clock.sleep(IN_TRANSIT_MS, this.#stop.signal);
    await this.#reconcile();
    if (this.#queue[0] === next) this.#returnAll();
    else await this.#buildFirst();
  }

  /**
   * A new producer id is needed. Batches of a previous process are returned, to be read again; the
   * others get new sequences.
   */
  #dropProducer(): void {
    this.#ledger.dropProducer();
    if (this.#queue.some(({ needsFile }) => needsFile)) this.#returnAll();
    else this.#ledger.withdraw(this.#queue);
  }
}
