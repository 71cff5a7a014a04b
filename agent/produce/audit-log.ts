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

/** Far below a batch's size, with paths of the longest kind too. */
const FACTS_AT_ONCE = 100;
const RETRY = { initialMs: 100, maxMs: 5_000 };
/** A topic that is just being made is nothing to tell. */
const QUIET_MS = 2_000;
const SETTLE_POLL_MS = 20;

/**
 * Writes each fact to the audit topic, at least once, for as long as it takes, beside the lines and never in their way. All facts of a
 * generation are in one partition, in their order.
 */
export class AuditLog {
  readonly #router: DeliveryRouter;
  readonly #facts: FactQueue;
  readonly #to: AuditOrigin & { topic: string };
  readonly #tools: { clock: Clock; logger: Logger; onFailureChange: () => void };
  readonly #trouble: DeliveryProblem;
  readonly #producers = new Set<PartitionProducer>();
  readonly #stop = new AbortController();
  readonly #backoff = createBackoff(RETRY);
  #factsAtOnce = FACTS_AT_ONCE;
  #wake: (() => void) | undefined;

  constructor(
    router: DeliveryRouter,
    facts: FactQueue,
    to: AuditOrigin & { topic: string },
    tools: { clock: Clock; logger: Logger; onFailureChange: () => void },
  ) {
    this.#router = router;
    this.#facts = facts;
    this.#to = to;
    this.#tools = tools;
    const { clock, logger, onFailureChange: onChange } = tools;
    this.#trouble = new DeliveryProblem({ clock, logger: logger.child({ topic: to.topic }), onChange });
    facts.onAdded(() => this.#wake?.());
  }

  start(): void {
    void this.#run();
  }

  /** What holds the facts up, for a person; empty when nothing does. */
  get failure(): string {
    const failures = [this.#trouble.reportable, ...[...this.#producers].map(({ failure }) => failure)];
    const failure = failures.find((each) => each !== undefined);
    const { topic } = this.#to;
    return failure ? `losses and sealed files can't be written to ${topic}: ${failure.message}` : '';
  }

  /** Whether there are durable facts that the topic does not have yet. */
  get pending(): boolean {
    return this.#facts.unaudited(1).length > 0;
  }

  /** Waits until the topic has every durable fact, for so long. */
  async settle(timeoutMs: number): Promise<void> {
    const { clock } = this.#tools;
    const deadline = clock.monotonicMs() + timeoutMs;
    while (this.failure === '' && this.pending && clock.monotonicMs() < deadline) await clock.sleep(SETTLE_POLL_MS);
  }

  /** Facts without an answer are sent again by the next process. */
  close(): void {
    this.#stop.abort();
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const facts = this.#facts.unaudited(this.#factsAtOnce);
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

  /** undefined when it is not known yet, or the agent stops. */
  async #partitionCount(): Promise<number | undefined> {
    const { clock } = this.#tools;
    for (const startMs = clock.monotonicMs(); !this.#stop.signal.aborted; ) {
      try {
        const count = await this.#router.partitionCount(this.#to.topic);
        this.#trouble.clear();
        return count;
      } catch (error) {
        if (clock.monotonicMs() - startMs > QUIET_MS) this.#trouble.report(error as DeliveryError);
        await this.#pause();
      }
    }
    return undefined;
  }

  /** Never resolves when the agent stops before there is an answer. */
  async #deliver(partition: number, facts: readonly Fact[]): Promise<void> {
    const records = facts.map((fact) => ({ key: fact.generation, value: auditDocument(fact, this.#to) }));
    const header = { compression: 'none', recordCount: facts.length, timestampMs: this.#tools.clock.nowMs() } as const;
    const encoded = encodeRecordBatch(header, [encodeKeyedRecords(records)]);
    const producer = this.#router.producer(this.#to.topic, partition);
    this.#producers.add(producer);
    const refused = await new Promise<DeliveryError | 'again' | undefined>((resolve) =>
      producer.enqueue({
        encoded,
        recordCount: facts.length,
        facts: undefined,
        onAcknowledged: () => resolve(undefined),
        onReturned: (refused) => resolve(refused ?? 'again'),
      }),
    );
    if (refused === 'again') return;
    if (refused) {
      this.#factsAtOnce = Math.max(1, Math.floor(this.#factsAtOnce / 2));
      if (facts.length === 1) this.#trouble.report(refused);
      await this.#pause();
      return;
    }
    this.#backoff.reset();
    this.#facts.markAudited(facts.map(({ id }) => id));
  }

  #pause(): Promise<void> {
    return this.#tools.clock.sleep(this.#backoff.next(), this.#stop.signal).catch(() => {});
  }
}
