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

/** Two thousand entries in one batch: by its defaults, 128 and 1.5 MiB, etcd takes 64. */
export const LARGE_BATCHES = ['--max-txn-ops=4096', '--max-request-bytes=8388608'] as const;

export interface EtcdOptions {
  dataDir: string;
  clientPort?: number;
  /** Serve clients by TLS, and let in those only whose certificate is of this authority. PEM files. */
  tls?: { ca: string; cert: string; key: string };
  /** Of a cluster: this member's name and peer port, and all members as --initial-cluster wants them. One is ready when most are. */
  member?: { name: string; peerPort: number; all: string };
  /** Further flags of etcd's. */
  flags?: readonly string[] | undefined;
  /** Told what it last printed when it ends and nobody here asked it to. */
  onDied?: ((lastLines: string) => void) | undefined;
}

/** A real etcd on loopback, with a data folder of its own. */
export interface Etcd {
  readonly endpoint: string;
  readonly port: number;
  /** Of the process that runs now, or ran last. */
  readonly pid: number;
  /** Starts it again on the same data and port. */
  start(): Promise<void>;
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): Promise<void>;
}

export async function startEtcd(options: EtcdOptions, say: (line: string) => void = () => {}): Promise<Etcd> {
  const binary = await etcdBinary(say);
  const port = await freePort(options.clientPort);
  const { tls, member = await alone() } = options;
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

async function alone() {
  const peerPort = await freePort();
  return { name: 'logfleet', peerPort, all: `logfleet=http://127.0.0.1:${peerPort}` };
}

async function isReady(endpoint: string): Promise<boolean> {
  return (await fetch(`${endpoint}/readyz`)).ok;
}

/** etcd 3.6 from PATH, or built once from the Go module proxy into the cache. */
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
    // Not there: it is built.
    return false;
  }
}
