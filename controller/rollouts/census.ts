import type { RolloutCounts } from '../../proto/gen/logfleet/v1/rollout.ts';
import type { CountRolloutsRequest, CountRolloutsResponse } from '../../proto/gen/logfleet/v1/rollout_service.ts';
import { selectorLabels } from '../../proto/rules/agent-labels.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Assignment, Assignments } from '../desired/assignments.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { PEER_TIMEOUT_MS, type Peers } from '../fleet/peers.ts';
import { countAgents, sumOf } from './counting.ts';
import type { Health } from './judge.ts';

/** Of one entry, at all controllers. */
export interface Counted extends Health {
  /** The least numbers of the agents, as many of each controller as were asked for. */
  numbers: bigint[];
  /** Controllers whose agents are missing: they don't answer, or don't know this version of the entry yet. */
  unreachable: string[];
}

/** Whose agents are counted, and how many of their numbers are wanted. */
export interface Asked {
  assignment: Assignment;
  numbers: number;
}

/** Counts agents, at all controllers: whoever they are, counts are all that is sent. */
export class Census {
  readonly #fleet: Fleet;
  readonly #peers: Peers;
  readonly #assignments: Assignments;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(
    parts: { fleet: Fleet; peers: Peers; assignments: Assignments },
    tools: { clock: Clock; logger: Logger },
  ) {
    this.#fleet = parts.fleet;
    this.#peers = parts.peers;
    this.#assignments = parts.assignments;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
  }

  get controllerId(): string {
    return this.#fleet.controllerId;
  }

  /** RolloutService.CountRollouts: the agents connected here. */
  async local({ entries, revision }: CountRolloutsRequest): Promise<CountRolloutsResponse> {
    await this.#assignments.reaches(revision);
    const nowMs = this.#clock.monotonicMs();
    const known = entries.flatMap(({ name, etag, numbers }) => {
      const assignment = this.#assignments.find(name);
      return assignment?.target.entry.etag === etag ? [{ assignment, numbers }] : [];
    });
    return { entries: known.map((asked) => countAgents(asked.assignment, this.#fleet.sessions(), asked, nowMs)) };
  }

  /** The agents of all controllers, in the order of what is asked. */
  async take(asked: readonly Asked[]): Promise<Counted[]> {
    const entries = asked.map(({ assignment: { target }, numbers }) => ({
      ...{ name: target.entry.name, etag: target.entry.etag, numbers },
    }));
    const request = { entries, revision: this.#assignments.revision };
    const others = this.#peers.all().map(async ({ id, rollouts }) => {
      try {
        const signal = AbortSignal.timeout(PEER_TIMEOUT_MS);
        return { id, answer: await rollouts.countRollouts(request, { signal }) };
      } catch (error) {
        const fields = { controller: id, error: errorText(error) };
        this.#logger.debug('a controller does not count its agents', fields);
        return { id, answer: undefined };
      }
    });
    const answers = [
      { id: this.#fleet.controllerId, answer: await this.local(request) },
      ...(await Promise.all(others)),
    ];
    const away = this.#awayLabels();
    return asked.map(({ assignment }) => {
      const counts: RolloutCounts[] = [];
      const numbers: bigint[] = [];
      const unreachable: string[] = [];
      for (const { id, answer } of answers) {
        const found = answer?.entries.find(({ name }) => name === assignment.name);
        if (found?.counts) counts.push(found.counts);
        else unreachable.push(`controllers/${id}`);
        for (const number of found?.numbers ?? []) numbers.push(number);
      }
      const gone = away.filter((labels) => assignment.concerns(labels)).length;
      return { counts: sumOf(counts), numbers, unreachable, away: gone };
    });
  }

  /** The labels of the agents that are not connected. */
  #awayLabels(): Record<string, string>[] {
    const labels: Record<string, string>[] = [];
    for (const { identity, controller } of this.#fleet.whereabouts())
      if (controller === undefined) labels.push(selectorLabels(identity));
    return labels;
  }
}
