import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Channel, createChannel, createClient } from 'nice-grpc';
import { type EntryServiceClient, EntryServiceDefinition } from '../../proto/gen/logfleet/v1/entry_service.ts';
import { type FleetServiceClient, FleetServiceDefinition } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import { systemClock } from '../../runtime/clock.ts';
import { type Etcd, startEtcd } from '../../stack/etcd.ts';
import { freePort } from '../../stack/free-port.ts';
import { type LocalProcess, startLocalProcess } from '../../stack/local-process.ts';
import { WITH_OPEN_FILES } from '../measure/running-tool.ts';
import { readUsage, type Usage } from '../measure/usage.ts';

const LAUNCHER = join(import.meta.dirname, '..', '..', 'bin', 'logfleet-controller');
const START_TIMEOUT_MS = 20_000;
const LOOK_INTERVAL_MS = 50;

export interface BenchController {
  readonly id: string;
  readonly address: string;
  readonly entries: EntryServiceClient;
  readonly fleet: FleetServiceClient;
  usage(): Usage;
  kill(): Promise<void>;
}

/** A real etcd and real controllers on it. They end with its scope. */
export class FleetFixture implements AsyncDisposable {
  readonly #root: string;
  readonly #etcd: Etcd;
  readonly #controllers: LocalProcess[] = [];
  readonly #channels: Channel[] = [];

  private constructor(root: string, etcd: Etcd) {
    this.#root = root;
    this.#etcd = etcd;
  }

  static async start(): Promise<FleetFixture> {
    const root = mkdtempSync(join(tmpdir(), 'logfleet-bench-fleet-'));
    return new FleetFixture(root, await startEtcd({ dataDir: join(root, 'etcd') }));
  }

  /** `nodeOptions` allows to profile it. */
  async controller(
    id: string,
    nodeOptions = process.env['FLEET_CONTROLLER_NODE_OPTIONS'] ?? '',
  ): Promise<BenchController> {
    const address = `127.0.0.1:${await freePort()}`;
    const args = ['--id', id, '--listen', address, '--etcd', this.#etcd.endpoint, '--log.level', 'warn'];
    const logFile = join(this.#root, `${id}.log`);
    const child = await startLocalProcess({
      ...{ command: 'sh', args: ['-c', WITH_OPEN_FILES, 'sh', LAUNCHER, ...args], logFile },
      env: { NODE_OPTIONS: nodeOptions },
    });
    this.#controllers.push(child);
    const channel = createChannel(address, undefined, { 'grpc.max_receive_message_length': -1 });
    this.#channels.push(channel);
    const entries = createClient(EntryServiceDefinition, channel);
    await this.#isUp(child, () => entries.listEntries({}));
    let usage: Usage = { cpuSeconds: 0, rssMib: 0, peakRssMib: 0 };
    return {
      ...{ id, address, entries, fleet: createClient(FleetServiceDefinition, channel) },
      usage: () => {
        usage = readUsage(child.pid) ?? usage;
        return usage;
      },
      kill: () => child.kill('SIGKILL'),
    };
  }

  etcdUsage(): Usage {
    const usage = readUsage(this.#etcd.pid);
    if (!usage) throw new Error('etcd has ended');
    return usage;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const channel of this.#channels) channel.close();
    await Promise.all(this.#controllers.map((child) => child.stop()));
    await this.#etcd.stop();
    rmSync(this.#root, { recursive: true, force: true, maxRetries: 5 });
  }

  async #isUp(child: LocalProcess, call: () => Promise<unknown>): Promise<void> {
    const deadlineMs = systemClock.monotonicMs() + START_TIMEOUT_MS;
    for (;;) {
      try {
        await call();
        return;
      } catch (error) {
        if (systemClock.monotonicMs() > deadlineMs)
          throw new Error(`the controller is not up: ${await child.lastLines()}`, { cause: error });
      }
      await systemClock.sleep(LOOK_INTERVAL_MS);
    }
  }
}
