import { join } from 'node:path';
import { httpUrl, isHostPort } from '../runtime/host-port.ts';
import { LARGE_BATCHES, startEtcd } from './etcd.ts';
import { startKafka } from './kafka.ts';
import { StackError } from './tools.ts';

export interface StackOptions {
  dataDir: string;
  etcdPort?: number;
  kafkaPort?: number;
  /** Servers of the user to use instead: URLs of etcd, and `host:port` of Kafka's brokers. */
  etcd?: readonly string[];
  kafka?: readonly string[];
  /**
   * Whether producing creates a missing topic, which is Kafka's default. Tests create their own
   * topics.
   */
  autoCreateTopics?: boolean;
  /** Whether etcd accepts larger batches than by default. Tests use the default. */
  largeBatches?: boolean;
  say?: (line: string) => void;
}

export interface Stack {
  /** The URLs of etcd. */
  etcd: string[];
  /** The `host:port` of each broker. */
  kafka: string[];
  /** Rejects when a server that was started here ends unexpectedly. */
  died: Promise<never>;
  /** Stops the servers that were started here. */
  stop(): Promise<void>;
}

/**
 * Reads the user's servers from the variables ETCD and KAFKA. Throws an Error for an invalid
 * address.
 */
export function serversFromEnv(env: NodeJS.ProcessEnv): Pick<StackOptions, 'etcd' | 'kafka'> {
  const list = (variable: string, parse: (address: string) => string | undefined) =>
    env[variable]
      ?.split(',')
      .filter((item) => item !== '')
      .map((item) => {
        const address = parse(item);
        if (address === undefined)
          throw new Error(`${variable}: ${JSON.stringify(item)} is not an address: use HOST:PORT,…`);
        return address;
      });
  const etcd = list('ETCD', httpUrl);
  const kafka = list('KAFKA', (address) => (isHostPort(address) ? address : undefined));
  return { ...(etcd?.length && { etcd }), ...(kafka?.length && { kafka }) };
}

/**
 * Starts etcd and Kafka, except those that the user has. If one fails, the other one is stopped.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { dataDir, etcdPort, kafkaPort, autoCreateTopics = false, say = () => {} } = options;
  const flags = options.largeBatches ? LARGE_BATCHES : [];
  const config = { 'auto.create.topics.enable': String(autoCreateTopics) };
  const death = Promise.withResolvers<never>();
  // A caller that does not await it must not get an unhandled rejection.
  death.promise.catch(() => {});
  const onDied = (name: string) => (lastLines: string) =>
    death.reject(new StackError('NOT_UP', `${name} ended unexpectedly:\n${lastLines}`));
  const startOwnEtcd = () =>
    startEtcd(
      { dataDir: join(dataDir, 'etcd'), onDied: onDied('etcd'), flags, ...(etcdPort && { clientPort: etcdPort }) },
      say,
    );
  const startOwnKafka = () =>
    startKafka(
      { dataDir: join(dataDir, 'kafka'), onDied: onDied('Kafka'), config, ...(kafkaPort && { port: kafkaPort }) },
      say,
    );
  const [etcd, kafka] = await Promise.allSettled([
    options.etcd === undefined ? startOwnEtcd() : undefined,
    options.kafka === undefined ? startOwnKafka() : undefined,
  ]);
  const stop = async () => {
    await Promise.all([
      etcd.status === 'fulfilled' && etcd.value?.stop(),
      kafka.status === 'fulfilled' && kafka.value?.stop(),
    ]);
  };
  if (etcd.status === 'rejected' || kafka.status === 'rejected') {
    await stop();
    throw etcd.status === 'rejected' ? etcd.reason : (kafka as PromiseRejectedResult).reason;
  }
  return {
    etcd: etcd.value ? [etcd.value.endpoint] : [...(options.etcd ?? [])],
    kafka: kafka.value ? kafka.value.bootstrap : [...(options.kafka ?? [])],
    died: death.promise,
    stop,
  };
}
