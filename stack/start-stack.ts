import { join } from 'node:path';
import { startEtcd } from './etcd.ts';
import { startKafka } from './kafka.ts';

export interface StackOptions {
  dataDir: string;
  etcdPort?: number;
  kafkaPort?: number;
  /** The user's own servers, to be used instead: etcd's URLs and Kafka's `host:port`s. */
  etcd?: readonly string[];
  kafka?: readonly string[];
  /** Whether Kafka makes a topic when somebody produces to it, as it does unless told otherwise. Tests want no topic but their own. */
  autoCreateTopics?: boolean;
  say?: (line: string) => void;
}

export interface Stack {
  /** URLs. */
  etcd: string[];
  /** `host:port`s. */
  kafka: string[];
  /** Stops what was started here. */
  stop(): Promise<void>;
}

/** The user's servers as the variables ETCD and KAFKA name them. */
export function serversFromEnv(env: NodeJS.ProcessEnv): Pick<StackOptions, 'etcd' | 'kafka'> {
  const list = (text: string | undefined) => text?.split(',').filter((item) => item !== '');
  const etcd = list(env['ETCD'])?.map((address) => (address.includes('://') ? address : `http://${address}`));
  const kafka = list(env['KAFKA']);
  return { ...(etcd?.length && { etcd }), ...(kafka?.length && { kafka }) };
}

/** Starts etcd and Kafka side by side, but for those the user brings. When one fails, the other is stopped. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { dataDir, etcdPort, kafkaPort, autoCreateTopics = false, say = () => {} } = options;
  const config = { 'auto.create.topics.enable': String(autoCreateTopics) };
  const own = { etcd: options.etcd === undefined, kafka: options.kafka === undefined };
  const [etcd, kafka] = await Promise.allSettled([
    own.etcd
      ? startEtcd({ dataDir: join(dataDir, 'etcd'), ...(etcdPort && { clientPort: etcdPort }) }, say)
      : undefined,
    own.kafka
      ? startKafka({ dataDir: join(dataDir, 'kafka'), config, ...(kafkaPort && { port: kafkaPort }) }, say)
      : undefined,
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
    stop,
  };
}
