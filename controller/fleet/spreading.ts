import { Controllers } from '../../proto/gen/logfleet/v1/agent_service.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Membership } from './membership.ts';

/** Whoever is told of the controllers. */
export interface Told {
  tellControllers(controllers: Controllers): void;
}

const LOOK_INTERVAL_MS = 5_000;
/** A controller with so much more than its share sends agents away; and a few more than that are never worth a move. */
const SURPLUS = 1.2;
const SURPLUS_MIN = 10;
/** At most this part of its agents at each look: whoever takes them has to greet them all. */
const MOVED_MAX = 0.05;

/**
 * Tells agents of all controllers, so that they have somewhere to go, and moves some to the controller that has the fewest, as after one
 * has come back from the dead: agents stay where they are by themselves.
 */
export class Spreading {
  readonly #membership: Membership;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #known = Controllers.create();

  constructor(membership: Membership, tools: { clock: Clock; logger: Logger }) {
    this.#membership = membership;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
  }

  /** What an agent is told when it comes. */
  get controllers(): Controllers {
    const addresses = this.#addresses();
    return addresses.join() === this.#known.addresses.join() ? this.#known : Controllers.create({ addresses });
  }

  /** Looks after it until `signal` is aborted; `agents`: those that are connected here. */
  async run(agents: () => readonly Told[], signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#tellAll(agents);
      this.#moveSome(agents());
      await this.#clock.sleep(LOOK_INTERVAL_MS, signal).catch(() => {});
    }
  }

  #tellAll(agents: () => readonly Told[]): void {
    const addresses = this.#addresses();
    if (addresses.join() === this.#known.addresses.join()) return;
    this.#known = Controllers.create({ addresses });
    for (const agent of agents()) agent.tellControllers(this.#known);
  }

  #addresses(): string[] {
    return [...this.#membership.controllers().values()].sort();
  }

  #moveSome(agents: readonly Told[]): void {
    const controllers = this.#membership.controllers();
    const counts = new Map([...controllers.keys()].map((id) => [id, 0]));
    for (const [, { controller }] of this.#membership.presences()) {
      const count = counts.get(controller);
      if (count !== undefined) counts.set(controller, count + 1);
    }
    const share = [...counts.values()].reduce((sum, count) => sum + count, 0) / Math.max(1, counts.size);
    if (agents.length <= share * SURPLUS + SURPLUS_MIN) return;
    const [fewest] = [...counts].sort(([, a], [, b]) => a - b);
    const moveTo = fewest && controllers.get(fewest[0]);
    if (!moveTo || fewest[0] === this.#membership.controllerId) return;
    const count = Math.ceil(Math.min(agents.length - share, agents.length * MOVED_MAX));
    this.#logger.info('agents are sent to a controller that has fewer', { agents: count, controller: fewest[0] });
    const from = Math.floor(Math.random() * (agents.length - count));
    const message = Controllers.create({ addresses: this.#known.addresses, moveTo });
    for (const agent of agents.slice(from, from + count)) agent.tellControllers(message);
  }
}
