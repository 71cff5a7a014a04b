import { join } from 'node:path';
import { httpUrl, isHostPort } from '../runtime/host-port.ts';
import { LARGE_BATCHES, startEtcd } from './etcd.ts';
import { startKafka } from './kafka.ts';
import { StackError } from './tools.ts';

export interface StackOptions {
  dataDir: string;
  etcdPort?: number;
  kafkaPort?: number;
  /** The user's own servers, to be used instead: etcd's URLs and Kafka's `host:port`s. */
  etcd?: readonly string[];
  kafka?: readonly string[];
  /** Whether Kafka makes a topic when somebody produces to it, as it does unless told otherwise. Tests want no topic but their own. */
  autoCreateTopics?: boolean;
  /** Whether etcd takes larger batches than it does unless told otherwise. Tests want it as most people have it. */
  largeBatches?: boolean;
  say?: (line: string) => void;
}

export interface Stack {
  /** URLs. */
  etcd: string[];
  /** `host:port`s. */
  kafka: string[];
  /** Rejects when a server that was started here ends by itself. */
  died: Promise<never>;
  /** Stops what was started here. */
  stop(): Promise<void>;
}

/** The user's servers as the variables ETCD and KAFKA name them. Throws an Error for what is no address. */
export function serversFromEnv(env: NodeJS.ProcessEnv): Pick<StackOptions, 'etcd' | 'kafka'> {
  const list = (variable: string, parse: (address: string) => string | undefined) =>
    env[variable]
      ?.split(',')
      .filter((item) => item !== '')
      .map((item) => {
        const address = parse(item);
        if (address === undefined)
          throw new Error(`${variable}: ${JSON.stringify(item)} is no address: give HOST:PORT,…`);
        return address;
      });
  const etcd = list('ETCD', httpUrl);
  const kafka = list('KAFKA', (address) => (isHostPort(address) ? address : undefined));
  return { ...(etcd?.length && { etcd }), ...(kafka?.length && { kafka }) };
}

/** Starts etcd and Kafka side by side, but for those the user brings. When one fails, the other is stopped. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { dataDir, etcdPort, kafkaPort, autoCreateTopics = false, say = () => {} } = options;
  const flags = options.largeBatches ? LARGE_BATCHES : [];
  const config = { 'auto.create.topics.enable': String(autoCreateTopics) };
  const death = Promise.withResolvers<never>();
  // Whoever does not wait for it does not want to know.
  death.promise.catch(() => {});
  const onDied = (name: string) => (lastLines: string) =>
    death.reject(new StackError('NOT_UP', `${name} ended by itself:\n${lastLines}`));
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
