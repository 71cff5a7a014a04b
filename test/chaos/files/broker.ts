import { freePort } from '../../../stack/free-port.ts';
import { type Kafka, startKafka } from '../../../stack/kafka.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';

/** A broker that several runs share. Each has its own way to it. */
export interface SharedBroker extends AsyncDisposable {
  /** Its address without a proxy. */
  direct: readonly string[];
  /** A proxy for each run at a time, which is advertised to the clients that came by it. */
  proxies: readonly (TcpProxy | undefined)[];
}

export async function startSharedBroker(dataDir: string, jobs: number): Promise<SharedBroker> {
  await using started = new AsyncDisposableStack();
  const proxies: TcpProxy[] = [];
  const ports = new Set<number>();
  // A port is free until it is used, so the system may name it again.
  const unusedPort = async () => {
    let port = await freePort();
    while (ports.has(port)) port = await freePort();
    ports.add(port);
    return port;
  };
  const listeners: { name: string; port: number }[] = [];
  for (let job = 0; job < jobs; job++) {
    const proxy = await startTcpProxy();
    started.defer(() => proxy.stop());
    const port = await unusedPort();
    proxy.targetPort = port;
    proxies.push(proxy);
    listeners.push({ name: `JOB${job}`, port });
  }
  const clientPort = await unusedPort();
  const controllerPort = await unusedPort();
  const names = listeners.map(({ name, port }) => `${name}://127.0.0.1:${port}`);
  const advertised = listeners.map(({ name }, job) => `${name}://127.0.0.1:${proxies[job]?.port}`);
  const kafka: Kafka = await startKafka({
    dataDir,
    port: clientPort,
    config: {
      listeners: [`CLIENT://127.0.0.1:${clientPort}`, ...names, `CONTROLLER://127.0.0.1:${controllerPort}`].join(','),
      'advertised.listeners': [`CLIENT://127.0.0.1:${clientPort}`, ...advertised].join(','),
      'controller.quorum.bootstrap.servers': `127.0.0.1:${controllerPort}`,
      'listener.security.protocol.map': ['CLIENT', 'CONTROLLER', ...listeners.map(({ name }) => name)]
        .map((name) => `${name}:PLAINTEXT`)
        .join(','),
    },
  });
  started.defer(() => kafka.stop());
  const running = started.move();
  return { direct: kafka.bootstrap, proxies, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
