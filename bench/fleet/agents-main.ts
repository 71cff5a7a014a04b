import { ControllerLink } from '../../agent/link/controller-link.ts';
import { DesiredState } from '../../agent/link/desired-state.ts';
import { AgentIdentity } from '../../proto/gen/logfleet/v1/fleet.ts';
import { systemClock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import { type AgentsRequest, type AgentsResponse, type AgentsSpec, monotonicMs } from './agents-protocol.ts';
import { roleOf } from './entries.ts';
import { SimulatedCollector } from './simulated-collector.ts';

interface Connection {
  address: string;
  atMs: number;
}

class Agents {
  readonly #connections = new Map<number, Connection>();
  readonly #applied = new Map<string, number[]>();
  readonly #failures = new Map<string, number>();

  async start({ addresses, first, count, reportIntervalMs, spreadMs }: AgentsSpec): Promise<void> {
    const startOne = async (index: number) => {
      await systemClock.sleep(Math.random() * spreadMs);
      await this.#link(index, addresses, reportIntervalMs).run();
    };
    await Promise.all(Array.from({ length: count }, (_, index) => startOne(first + index)));
  }

  respond(request: AgentsRequest): AgentsResponse {
    const common = { id: request.id, connected: this.#connections.size, failures: this.#failures };
    if (request.kind === 'applied') {
      const timesMs = this.#applied.get(`${request.entry} ${request.etag}`) ?? [];
      return { ...common, count: timesMs.length, lastMs: timesMs.at(-1) ?? 0, timesMs };
    }
    const { address } = request;
    const those = [...this.#connections.values()].filter((one) => address === undefined || one.address === address);
    return { ...common, count: those.length, lastMs: those.reduce((last, { atMs }) => Math.max(last, atMs), 0) };
  }

  #link(index: number, addresses: readonly string[], reportIntervalMs: number): ControllerLink {
    const agentId = `agent-${String(index).padStart(6, '0')}`;
    const labels = { role: roleOf(index), env: index % 4 === 0 ? 'stage' : 'prod', region: `eu-${index % 3}` };
    const identity = AgentIdentity.create({
      ...{ agentId, host: `${agentId}.example.org`, os: 'linux', version: '0.1.0', addresses: ['10.1.2.3'], labels },
    });
    const collector = new SimulatedCollector(agentId, (entry, etag) => {
      const key = `${entry} ${etag}`;
      const times = this.#applied.get(key) ?? [];
      times.push(monotonicMs());
      this.#applied.set(key, times);
    });
    const options = { addresses, identity, reportIntervalMs };
    const cache = { save: async () => {} };
    return new ControllerLink(options, {
      ...{ clock: systemClock, logger: this.#logger(index), collector, desired: new DesiredState(), cache },
      handlers: {},
    });
  }

  /** An agent is connected when its log says so. */
  #logger(index: number): Logger {
    const logger: Logger = {
      debug: () => {},
      info: (message, fields) => {
        if (message === 'connected to the controller')
          this.#connections.set(index, { address: String(fields?.['address']), atMs: monotonicMs() });
      },
      warn: (_message, fields) => {
        this.#connections.delete(index);
        // Count reasons that differ only in addresses and ids as one.
        const reason = String(fields?.['error']).replace(/\d+/g, 'N');
        this.#failures.set(reason, (this.#failures.get(reason) ?? 0) + 1);
      },
      error: (message) => process.stderr.write(`agent ${index}: ${message}\n`),
      child: () => logger,
      level: 'info',
      recent: () => [],
    };
    return logger;
  }
}

const agents = new Agents();
process.on('message', (request: AgentsRequest) => process.send?.(agents.respond(request)));
process.on('disconnect', () => process.exit(0));
await agents.start(JSON.parse(process.argv[2] as string) as AgentsSpec);
