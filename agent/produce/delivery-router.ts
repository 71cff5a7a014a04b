import { createHash } from 'node:crypto';
import type { Compression } from '../../proto/rules/line-words.ts';
import type { IntentStore } from '../state/intent-store.ts';
import type { DeliveryError } from './delivery-error.ts';
import type { KafkaCluster } from './kafka-cluster.ts';
import type { RecoveredBatch } from './outgoing-batch.ts';
import { PartitionLedger } from './partition-ledger.ts';
import { PartitionProducer } from './partition-producer.ts';
import { Route, type RouteTools } from './route.ts';

/** Which partition of a topic: the one a source had before, else one by the hash of `key`. */
export interface PartitionChoice {
  /** -1: none before. */
  previous: number;
  key: string;
}

/** All routes of an agent, made as they are needed. */
export class DeliveryRouter {
  readonly #cluster: KafkaCluster;
  readonly #tools: RouteTools;
  readonly #intents: IntentStore;
  readonly #onFailureChange: () => void;
  readonly #routes = new Map<string, Route>();
  readonly #producers = new Map<string, PartitionProducer>();

  constructor(cluster: KafkaCluster, intents: IntentStore, tools: RouteTools, onFailureChange: () => void) {
    this.#cluster = cluster;
    this.#intents = intents;
    this.#tools = tools;
    this.#onFailureChange = onFailureChange;
  }

  /** Finishes what a former process left open; before the first route. */
  restore(batches: readonly RecoveredBatch[]): void {
    const byPartition = Map.groupBy(batches, ({ intent }) => `${intent.topic}/${intent.partition}`);
    for (const [first, ...more] of byPartition.values()) {
      if (first) this.producer(first.intent.topic, first.intent.partition).restore([first, ...more]);
    }
  }

  /** Rejects with DeliveryError while the topic is not there or Kafka can't be reached. */
  partitionCount(topic: string): Promise<number> {
    return this.#cluster.partitionCount(topic);
  }

  route(topic: string, partitions: number, choice: PartitionChoice, compression: Compression): Route {
    const kept = choice.previous >= 0 && choice.previous < partitions;
    const partition = kept ? choice.previous : partitionOf(choice.key, partitions);
    const key = `${topic}/${partition}/${compression}`;
    let route = this.#routes.get(key);
    if (!route) {
      route = new Route(this.producer(topic, partition), compression, this.#tools);
      this.#routes.set(key, route);
    }
    return route;
  }

  /** One for each partition, so that lines keep their order when their compression changes. */
  producer(topic: string, partition: number): PartitionProducer {
    const key = `${topic}/${partition}`;
    let producer = this.#producers.get(key);
    if (!producer) {
      const { clock, logger } = this.#tools;
      const tools = { clock, logger, onFailureChange: this.#onFailureChange };
      const ledger = new PartitionLedger(this.#intents, { topic, partition });
      producer = new PartitionProducer(this.#cluster, ledger, tools);
      this.#producers.set(key, producer);
    }
    return producer;
  }

  /** What holds up delivery to `topic`, or to any topic. */
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

/** The same for a file and its successor after a rotation, so that their order is kept. */
export function partitionOf(key: string, partitions: number): number {
  return createHash('sha256').update(key).digest().readUInt32BE(0) % partitions;
}
