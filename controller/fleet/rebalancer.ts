import { Controllers } from '../../proto/gen/logfleet/v1/agent_service.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { AgentRegistry } from './agent-registry.ts';
import type { LiveControllers } from './live-controllers.ts';

/** Receives lists of controllers. */
export interface ControllersReceiver {
  sendControllers(controllers: Controllers): void;
}

const CHECK_INTERVAL_MS = 5_000;
/**
 * A controller moves agents away when it has this many times its share, and at least this many
 * more.
 */
const SURPLUS_FACTOR = 1.2;
const SURPLUS_MIN = 10;
/**
 * The largest part of its agents that a controller moves at one check: the other one must accept
 * them.
 */
const MOVED_SHARE_MAX = 0.05;

/**
 * Balances agents over the controllers. It sends every agent the list of controllers, so that the
 * agent has others to connect to. Agents do not move by themselves, so a controller that has
 * restarted has none. A controller with far more than its share moves some of its agents to the
 * one that has the fewest.
 */
export class Rebalancer {
  readonly #controllers: LiveControllers;
  readonly #registry: AgentRegistry;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** The list that was last sent to all agents. */
  #sent = Controllers.create();

  constructor(controllers: LiveControllers, registry: AgentRegistry, tools: { clock: Clock; logger: Logger }) {
    this.#controllers = controllers;
    this.#registry = registry;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
  }

  /** The list of controllers for a new agent. */
  listControllers(): Controllers {
    const addresses = this.#addresses();
    return addresses.join() === this.#sent.addresses.join() ? this.#sent : Controllers.create({ addresses });
  }

  /**
   * Balances until `signal` is aborted. `listAgents`: those that are connected to this controller.
   */
  async run(listAgents: () => readonly ControllersReceiver[], signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#sendChangedList(listAgents);
      this.#moveSurplus(listAgents());
      await this.#clock.sleep(CHECK_INTERVAL_MS, signal).catch(() => {});
    }
  }

  #sendChangedList(listAgents: () => readonly ControllersReceiver[]): void {
    const addresses = this.#addresses();
    if (addresses.join() === this.#sent.addresses.join()) return;
    this.#sent = Controllers.create({ addresses });
    for (const agent of listAgents()) agent.sendControllers(this.#sent);
  }

  #addresses(): string[] {
    return [...this.#controllers.addresses().values()].sort();
  }

  #moveSurplus(agents: readonly ControllersReceiver[]): void {
    const addresses = this.#controllers.addresses();
    const counts = new Map([...addresses.keys()].map((id) => [id, 0]));
    for (const [, { controller }] of this.#registry.presences()) {
      const count = counts.get(controller);
      if (count !== undefined) counts.set(controller, count + 1);
    }
    const share = [...counts.values()].reduce((sum, count) => sum + count, 0) / Math.max(1, counts.size);
    if (agents.length <= share * SURPLUS_FACTOR + SURPLUS_MIN) return;
    const [fewest] = [...counts].sort(([, a], [, b]) => a - b);
    const moveTo = fewest && addresses.get(fewest[0]);
    if (!moveTo || fewest[0] === this.#controllers.ownId) return;
    const count = Math.ceil(Math.min(agents.length - share, agents.length * MOVED_SHARE_MAX));
    this.#logger.info('agents moved to a controller with fewer', { count, controller: fewest[0] });
    const from = Math.floor(Math.random() * (agents.length - count));
    const message = Controllers.create({ addresses: this.#sent.addresses, moveTo });
    for (const agent of agents.slice(from, from + count)) agent.sendControllers(message);
  }
}
