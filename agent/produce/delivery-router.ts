import { createHash } from 'node:crypto';
import type { Compression } from '../../proto/rules/line-words.ts';
import type { IntentStore } from '../state/intent-store.ts';
import type { DeliveryError } from './delivery-error.ts';
import type { KafkaCluster } from './kafka-cluster.ts';
import { PartitionLedger } from './partition-ledger.ts';
import { PartitionProducer } from './partition-producer.ts';
import type { RecoveredBatch } from './queued-batch.ts';
import { Route, type RouteDependencies } from './route.ts';

/** Which partition of a topic: the source's previous one, else one by the hash of `key`. */
export interface PartitionChoice {
  /** -1: none. */
  previous: number;
  key: string;
}

/** All routes and producers of an agent, each made when it is first needed. */
export class DeliveryRouter {
  readonly #cluster: KafkaCluster;
  readonly #intents: IntentStore;
  readonly #needs: RouteDependencies;
  readonly #onFailureChange: () => void;
  readonly #routes = new Map<string, Route>();
  readonly #producers = new Map<string, PartitionProducer>();

  constructor(cluster: KafkaCluster, intents: IntentStore, needs: RouteDependencies, onFailureChange: () => void) {
    this.#cluster = cluster;
    this.#intents = intents;
    this.#needs = needs;
    this.#onFailureChange = onFailureChange;
  }

  /** Finishes the open batches of the previous process. Call it before the first `route`. */
  restore(batches: readonly RecoveredBatch[]): void {
    const byPartition = Map.groupBy(batches, ({ intent }) => `${intent.topic}/${intent.partition}`);
    for (const [first, ...more] of byPartition.values()) {
      if (first) this.producer(first.intent.topic, first.intent.partition).restore([first, ...more]);
    }
  }

  /** Rejects with DeliveryError while the topic does not exist or Kafka can't be reached. */
  partitionCount(topic: string): Promise<number> {
    return this.#cluster.partitionCount(topic);
  }

  /** The route for a source of a topic that has `partitions`. */
  route(topic: string, partitions: number, { previous, key }: PartitionChoice, compression: Compression): Route {
    const partition = previous >= 0 && previous < partitions ? previous : partitionOf(key, partitions);
    const name = `${topic}/${partition}/${compression}`;
    let route = this.#routes.get(name);
    if (!route) {
      route = new Route(this.producer(topic, partition), compression, this.#needs);
      this.#routes.set(name, route);
    }
    return route;
  }

  /** One producer for each partition, so lines keep their order if their compression changes. */
  producer(topic: string, partition: number): PartitionProducer {
    const name = `${topic}/${partition}`;
    let producer = this.#producers.get(name);
    if (!producer) {
      const { clock, logger } = this.#needs;
      const ledger = new PartitionLedger(this.#intents, { topic, partition });
      const onFailureChange = this.#onFailureChange;
      producer = new PartitionProducer(this.#cluster, ledger, { clock, logger, onFailureChange });
      this.#producers.set(name, producer);
    }
    return producer;
  }

  /** Why delivery to `topic`, or to any topic, is held up. */
  failure(topic?: string): DeliveryError | undefined {
    for (const producer of this.#producers.values()) {
      if ((topic === undefined || producer.partition.topic === topic) && producer.failure) return producer.failure;
    }
    return undefined;
  }

  async close(): Promise<void> {
    for (const route of this.#routes.values()) route.close();
    for (const producer of this.#producers.values()) producer.close();
    await this.#cluster.close();
  }
}

/** A file and its successor after a rotation have the same key, so their lines keep their order. */
export function partitionOf(key: string, partitions: number): number {
  return createHash('sha256').update(key).digest().readUInt32BE(0) % partitions;
}
