import { type Etcd, startEtcd } from '../../stack/etcd.ts';
import { type Kafka, startKafka } from '../../stack/kafka.ts';
import { newPrefix, type RunningController, startController } from '../support/controllers.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import type { TempDir } from '../support/temp-dir.ts';

/** What a run uses: etcd, brokers behind proxies of ours, and a controller. */
export interface Cluster extends AsyncDisposable {
  kafka: Kafka;
  /** In the order of the brokers. Clients reach only these. */
  proxies: readonly TcpProxy[];
  /** The proxies' addresses. */
  bootstrap: string[];
  controller: RunningController;
}

/** A dead broker is noticed within seconds, and a record counts only when two brokers have it. */
const BROKER_CONFIG = {
  'min.insync.replicas': '2',
  'broker.session.timeout.ms': '2000',
  'broker.heartbeat.interval.ms': '500',
};

export async function startCluster(dir: TempDir, brokers: number, say: (line: string) => void): Promise<Cluster> {
  await using started = new AsyncDisposableStack();
  const proxies: TcpProxy[] = [];
  for (let count = 0; count < brokers; count++) {
    const proxy = await startTcpProxy();
    started.defer(() => proxy.stop());
    proxies.push(proxy);
  }
  const config = { ...BROKER_CONFIG, ...(brokers < 2 && { 'min.insync.replicas': '1' }) };
  const advertisedPorts = proxies.map(({ port }) => port);
  const kafka = await startKafka({ dataDir: dir.at('kafka'), brokers, config, advertisedPorts }, say);
  started.defer(() => kafka.stop());
  for (const [index, { address }] of kafka.brokers.entries()) {
    (proxies[index] as TcpProxy).targetPort = Number(address.split(':')[1]);
  }
  const etcd: Etcd = await startEtcd({ dataDir: dir.at('etcd') }, say);
  started.defer(() => etcd.stop());
  const bootstrap = proxies.map(({ port }) => `127.0.0.1:${port}`);
  const controller = await startController(etcd.endpoint, newPrefix(), '--kafka', bootstrap.join(','));
  started.defer(() => controller[Symbol.asyncDispose]());
  const running = started.move();
  return { kafka, proxies, bootstrap, controller, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
