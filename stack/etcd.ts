import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cached } from './cache.ts';
import { freePort } from './free-port.ts';
import { type LocalProcess, startLocalProcess } from './local-process.ts';
import { buildStep, requireTool } from './tools.ts';
import { accepts, waitUntilUp } from './wait-until-up.ts';

const VERSION = '3.6.7';
const UP_TIMEOUT_MS = 30_000;

/**
 * Allows batches of two thousand entries. With etcd's defaults, 128 and 1.5 MiB, the limit is 64.
 */
export const LARGE_BATCHES = ['--max-txn-ops=4096', '--max-request-bytes=8388608'] as const;

export interface EtcdOptions {
  dataDir: string;
  clientPort?: number;
  /** Serves clients over TLS, and requires client certificates of this authority. PEM files. */
  tls?: { ca: string; cert: string; key: string };
  /**
   * For a cluster: this member's name and peer port, and all members in the syntax of
   * --initial-cluster. A member is ready when a majority is.
   */
  member?: { name: string; peerPort: number; all: string };
  /** Further flags of etcd. */
  flags?: readonly string[] | undefined;
  /** Called with its last output when the server ends without `stop` or `kill`. */
  onDied?: ((lastLines: string) => void) | undefined;
}

/** An etcd on loopback with its own data folder. */
export interface Etcd {
  readonly endpoint: string;
  readonly port: number;
  /** The id of the running process, or of the last one. */
  readonly pid: number;
  /** Starts it again with the same data and port. */
  start(): Promise<void>;
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): Promise<void>;
}

export async function startEtcd(options: EtcdOptions, say: (line: string) => void = () => {}): Promise<Etcd> {
  const binary = await etcdBinary(say);
  const port = await freePort(options.clientPort);
  const { tls, member = await onlyMember() } = options;
  const endpoint = `${tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  const peer = `http://127.0.0.1:${member.peerPort}`;
  await mkdir(options.dataDir, { recursive: true });
  let running: LocalProcess | undefined;
  const start = async () => {
    running = await startLocalProcess({
      command: binary,
      onDied: options.onDied,
      logFile: join(options.dataDir, 'etcd.log'),
      args: [
        ...[`--name=${member.name}`, `--data-dir=${join(options.dataDir, 'data')}`, '--log-level=warn'],
        ...[`--listen-client-urls=${endpoint}`, `--advertise-client-urls=${endpoint}`],
        ...[`--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`, `--initial-cluster=${member.all}`],
        ...(tls ? ['--client-cert-auth', `--trusted-ca-file=${tls.ca}`, `--cert-file=${tls.cert}`] : []),
        ...(tls ? [`--key-file=${tls.key}`] : []),
        ...(options.flags ?? []),
      ],
    });
    await waitUntilUp('etcd', running, UP_TIMEOUT_MS, () => (tls ? accepts(port) : isReady(endpoint)));
  };
  await start();
  return {
    endpoint,
    port,
    get pid() {
      return (running as LocalProcess).pid;
    },
    start,
    stop: async () => running?.stop(),
    kill: async (signal) => running?.kill(signal),
  };
}

async function onlyMember() {
  const peerPort = await freePort();
  return { name: 'logfleet', peerPort, all: `logfleet=http://127.0.0.1:${peerPort}` };
}

async function isReady(endpoint: string): Promise<boolean> {
  return (await fetch(`${endpoint}/readyz`)).ok;
}

/** The path of etcd 3.6: from PATH, or built once from the Go module proxy into the cache. */
async function etcdBinary(say: (line: string) => void): Promise<string> {
  if (await isOnPath()) return 'etcd';
  const folder = await cached(`etcd-${VERSION}`, async (building) => {
    await requireTool('go', `building etcd ${VERSION} (etcd 3.6 is not on PATH)`);
    say(`building etcd ${VERSION} (once, about a minute) …`);
    const env = { GOTOOLCHAIN: 'local', GOFLAGS: '-mod=mod' };
    await buildStep('go', ['mod', 'init', 'logfleet-etcd'], building, env);
    await buildStep('go', ['get', `go.etcd.io/etcd/server/v3@v${VERSION}`], building, env);
    await buildStep('go', ['build', '-o', 'etcd', 'go.etcd.io/etcd/server/v3'], building, env);
  });
  return join(folder, 'etcd');
}

async function isOnPath(): Promise<boolean> {
  try {
    const { stdout } = await promisify(execFile)('etcd', ['--version']);
    return /etcd Version: 3\.6\./.test(stdout);
  } catch {
    // It is not on PATH, so it is built.
    return false;
  }
}
