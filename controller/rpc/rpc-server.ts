import { createServer, type Server } from 'nice-grpc';
import { errorDetailsServerMiddleware } from 'nice-grpc-error-details';
import { HealthDefinition, HealthServiceImpl, HealthState } from 'nice-grpc-server-health';
import { EntryServiceDefinition } from '../../proto/gen/logfleet/v1/entry_service.ts';
import { FleetServiceDefinition } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import { RolloutServiceDefinition } from '../../proto/gen/logfleet/v1/rollout_service.ts';
import type { Live } from '../../runtime/live-secrets.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { ServerTls } from '../../runtime/security.ts';
import { wholeMessages } from '../../runtime/whole-messages.ts';
import { AgentStreamDefinition } from './agent-definition.ts';
import type { AgentService } from './agent-service.ts';
import { passPeerName } from './author.ts';
import { endWhen } from './draining.ts';
import type { EntryService } from './entry-service.ts';
import { mapErrors } from './error-mapping.ts';
import type { FleetService } from './fleet-service.ts';
import { reflectionServices } from './reflection.ts';
import type { RolloutService } from './rollout-service.ts';
import { serverCredentials } from './server-credentials.ts';

const DRAIN_TIMEOUT_MS = 5_000;
const OPTIONS = {
  // Pings notice a dead connection within 15 s. Most of that is for the response: when thousands of
  // agents connect at once, it may have arrived without having been read.
  'grpc.keepalive_time_ms': 6_000,
  'grpc.keepalive_timeout_ms': 9_000,
  // A first report has a thousand files, whose paths may be long.
  'grpc.max_receive_message_length': 16 * 1024 * 1024,
  // Its counters are not served here, and cost some KiB for each connection.
  'grpc.enable_channelz': 0,
  // Disconnects probes that connect and never call.
  'grpc.max_connection_idle_ms': 300_000,
};

export interface RpcServices {
  entries: EntryService;
  agents: AgentService;
  fleet: FleetService;
  rollouts: RolloutService;
}

/** The gRPC server: our services, grpc.health.v1 and reflection. */
export class RpcServer {
  readonly #server: Server;
  readonly #agents: AgentService;
  readonly #stopping = new AbortController();
  readonly #health = HealthState();

  constructor(services: RpcServices, logger: Logger) {
    this.#agents = services.agents;
    this.#server = createServer({ ...OPTIONS, interceptors: [passPeerName, services.agents.interceptor] })
      .use(errorDetailsServerMiddleware)
      .use(mapErrors(logger))
      .use(endWhen(this.#stopping.signal));
    this.#server.add(EntryServiceDefinition, services.entries);
    this.#server.add(AgentStreamDefinition, services.agents.handlers);
    this.#server.add(wholeMessages(FleetServiceDefinition), services.fleet);
    this.#server.add(RolloutServiceDefinition, services.rollouts);
    this.#server.add(HealthDefinition, HealthServiceImpl(this.#health));
    for (const { definition, implementation } of reflectionServices()) this.#server.add(definition, implementation);
    this.#health.setStatus('unhealthy', '');
    this.setHealthy(false);
  }

  /** Begins to listen. Returns the port. */
  listen(address: string, tls: Live<ServerTls | undefined>): Promise<number> {
    return this.#server.listen(address, serverCredentials(tls));
  }

  /**
   * Sets the status in grpc.health.v1. The services need etcd for writes and new streams. The
   * process (the service without a name) stays healthy without etcd once it was: a restart would
   * not help.
   */
  setHealthy(isHealthy: boolean): void {
    const services = [EntryServiceDefinition, AgentStreamDefinition, FleetServiceDefinition, RolloutServiceDefinition];
    const names = services.map(({ fullName }) => fullName);
    for (const name of isHealthy ? [...names, ''] : names)
      this.#health.setStatus(isHealthy ? 'healthy' : 'unhealthy', name);
  }

  /** Ends streams and watches, waits for other calls to finish, and closes. */
  async drain(): Promise<void> {
    this.#health.setStatus('unhealthy', '');
    this.setHealthy(false);
    this.#stopping.abort();
    this.#agents.stop();
    const force = setTimeout(() => this.#server.forceShutdown(), DRAIN_TIMEOUT_MS);
    await this.#server.shutdown();
    clearTimeout(force);
  }
}
