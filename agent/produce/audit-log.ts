import { createBackoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import { encodeRecordBatch } from '../encode/record-batch.ts';
import type { Fact, FactQueue } from '../model/fact.ts';
import { type AuditOrigin, auditDocument, encodeKeyedRecords } from './audit-record.ts';
import type { DeliveryError } from './delivery-error.ts';
import { DeliveryProblem } from './delivery-problem.ts';
import { type DeliveryRouter, partitionOf } from './delivery-router.ts';
import type { PartitionProducer } from './partition-producer.ts';

/** Far below a batch's size, even with the longest paths. */
const FACTS_PER_BATCH_MAX = 100;
const RETRY = { initialMs: 100, maxMs: 5_000 };
/** A topic that is being created is unknown for this long; that is not reported. */
const QUIET_MS = 2_000;
const SETTLE_POLL_MS = 20;

export interface AuditDependencies {
  clock: Clock;
  logger: Logger;
  onFailureChange: () => void;
}

/**
 * Writes each fact to the audit topic, at least once, for as long as it takes, and never delays
 * lines. All facts of a generation are in one partition, in their order. The key is the fact's id,
 * so that a topic that someone compacts loses only repetitions.
 */
export class AuditLog {
  readonly #router: DeliveryRouter;
  readonly #facts: FactQueue;
  readonly #target: AuditOrigin & { topic: string };
  readonly #clock: Clock;
  readonly #problem: DeliveryProblem;
  readonly #producers = new Set<PartitionProducer>();
  readonly #stop = new AbortController();
  readonly #backoff = createBackoff(RETRY);
  #factsPerBatch = FACTS_PER_BATCH_MAX;
  #wake: (() => void) | undefined;

  constructor(
    router: DeliveryRouter,
    facts: FactQueue,
    target: AuditOrigin & { topic: string },
    { clock, logger, onFailureChange: onChange }: AuditDependencies,
  ) {
    this.#router = router;
    this.#facts = facts;
    this.#target = target;
    this.#clock = clock;
    this.#problem = new DeliveryProblem({ clock, logger: logger.child({ topic: target.topic }), onChange });
    facts.onAdded(() => this.#wake?.());
  }

  start(): void {
    void this.#run();
  }

  /** Why facts are held up, for operators; empty if they are not. */
  get failure(): string {
    const failures = [this.#problem.reportable, ...[...this.#producers].map(({ failure }) => failure)];
    const failure = failures.find((each) => each !== undefined);
    if (!failure) return '';
    const { givenUpCount } = this.#facts;
    const givenUp = givenUpCount > 0 ? `; ${givenUpCount} of them were given up` : '';
    return `losses and sealed files can't be written to ${this.#target.topic}: ${failure.message}${givenUp}`;
  }

  /** Whether there are durable facts that the topic does not have yet. */
  get hasPending(): boolean {
    return this.#facts.unaudited(1).length > 0;
  }

  /** Waits until the topic has every durable fact, but no longer than `timeoutMs`. */
  async settle(timeoutMs: number): Promise<void> {
    const deadline = this.#clock.monotonicMs() + timeoutMs;
    while (this.failure === '' && this.hasPending && this.#clock.monotonicMs() < deadline)
      await this.#clock.sleep(SETTLE_POLL_MS);
  }

  /** Stops. The next process sends the facts that are not acknowledged. */
  close(): void {
    this.#stop.abort();
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const facts = this.#facts.unaudited(this.#factsPerBatch);
      if (facts.length > 0) await this.#send(facts);
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }

  async #send(facts: readonly Fact[]): Promise<void> {
    const count = await this.#partitionCount();
    if (count === undefined) return;
    const groups = Map.groupBy(facts, ({ generation }) => partitionOf(generation, count));
    await Promise.all([...groups].map(([partition, own]) => this.#deliver(partition, own)));
  }

  /** undefined: the agent stops. */
  async #partitionCount(): Promise<number | undefined> {
    for (const startMs = this.#clock.monotonicMs(); !this.#stop.signal.aborted; ) {
      try {
        const count = await this.#router.partitionCount(this.#target.topic);
        this.#problem.clear();
        return count;
      } catch (error) {
        if (this.#clock.monotonicMs() - startMs > QUIET_MS) this.#problem.report(error as DeliveryError);
        await this.#pause();
      }
    }
    return undefined;
  }

  /** Never resolves if the agent stops before the batch is acknowledged or returned. */
  async #deliver(partition: number, facts: readonly Fact[]): Promise<void> {
    const records = facts.map((fact) => ({ key: fact.id, value: auditDocument(fact, this.#target) }));
    const header = { compression: 'none', recordCount: facts.length, timestampMs: this.#clock.nowMs() } as const;
    const encoded = encodeRecordBatch(header, [encodeKeyedRecords(records)]);
    const producer = this.#router.producer(this.#target.topic, partition);
    this.#producers.add(producer);
    const outcome = await new Promise<DeliveryError | 'acknowledged' | 'returned'>((resolve) =>
      producer.enqueue({
        encoded,
        recordCount: facts.length,
        facts: undefined,
        onAcknowledged: () => resolve('acknowledged'),
        onReturned: (tooLarge) => resolve(tooLarge ?? 'returned'),
      }),
    );
    if (outcome === 'returned') return;
    if (outcome !== 'acknowledged') {
      this.#factsPerBatch = Math.max(1, Math.floor(this.#factsPerBatch / 2));
      if (facts.length === 1) this.#problem.report(outcome);
      await this.#pause();
      return;
    }
    this.#backoff.reset();
    this.#facts.markAudited(facts.map(({ id }) => id));
  }

  #pause(): Promise<void> {
    return this.#clock.sleep(this.#backoff.next(), this.#stop.signal).catch(() => {});
  }
}
