import { createConnection, createServer, type Socket } from 'node:net';

/**
 * What happens to traffic. `pass`: it is forwarded · `cut`: connections are reset and refused ·
 * `drop-replies`: requests arrive, responses don't · `hole`: neither arrives, without an error, as
 * on a half-open connection.
 */
export type ProxyMode = 'pass' | 'cut' | 'drop-replies' | 'hole';

/** A TCP proxy on loopback that breaks the network on demand. */
export interface TcpProxy {
  readonly port: number;
  /** The address to connect to. Until it is set, connections are refused. */
  targetPort: number | undefined;
  /**
   * When `pass` is set again, connections that missed bytes are closed: the peer could not read on
   * from the middle of a response.
   */
  setMode(mode: ProxyMode): void;
  stop(): Promise<void>;
}

interface Pair {
  client: Socket;
  server: Socket;
  missedBytes: boolean;
}

export async function startTcpProxy(): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  let mode: ProxyMode = 'pass';
  let targetPort: number | undefined;
  const server = createServer((client) => {
    client.on('error', () => {});
    if (mode === 'cut' || targetPort === undefined) {
      client.resetAndDestroy();
      return;
    }
    const pair: Pair = { client, server: createConnection(targetPort, '127.0.0.1'), missedBytes: false };
    pairs.add(pair);
    join(pair, () => mode);
    client.once('close', () => pairs.delete(pair));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server without a port');
  return {
    port: address.port,
    get targetPort() {
      return targetPort;
    },
    set targetPort(port) {
      targetPort = port;
    },
    setMode: (wanted) => {
      mode = wanted;
      for (const pair of pairs) if (mode === 'cut' || (mode === 'pass' && pair.missedBytes)) reset(pair);
    },
    stop: async () => {
      for (const pair of pairs) reset(pair);
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function join(pair: Pair, modeNow: () => ProxyMode): void {
  const { client, server } = pair;
  const forward = (from: Socket, to: Socket, dropped: readonly ProxyMode[]) => {
    from.on('data', (data) => {
      if (dropped.includes(modeNow())) pair.missedBytes = true;
      else if (!to.write(data)) {
        from.pause();
        to.once('drain', () => from.resume());
      }
    });
    from.once('end', () => to.end());
    from.once('close', () => to.destroy());
  };
  server.on('error', () => client.resetAndDestroy());
  forward(client, server, ['hole']);
  forward(server, client, ['hole', 'drop-replies']);
}

function reset({ client, server }: Pair): void {
  client.resetAndDestroy();
  server.destroy();
}
