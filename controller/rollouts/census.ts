import type { RolloutCounts } from '../../proto/gen/logfleet/v1/rollout.ts';
import type { CountRolloutsRequest, CountRolloutsResponse } from '../../proto/gen/logfleet/v1/rollout_service.ts';
import { controllerName } from '../../proto/rules/names.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Assignment, Assignments } from '../desired/assignments.ts';
import type { AgentDirectory } from '../fleet/agent-directory.ts';
import { PEER_TIMEOUT_MS, type Peers } from '../fleet/peers.ts';
import { countAgents, sumCounts } from './count-agents.ts';
import type { RolloutHealth } from './judge.ts';

/** An entry whose agents are counted, and how many of their numbers are wanted. */
export interface CensusRequest {
  assignment: Assignment;
  numbers: number;
}

/** The agents of one entry, counted at all controllers. */
export interface EntryCensus extends RolloutHealth {
  /** The smallest numbers of the agents: from each controller as many as were requested. */
  numbers: bigint[];
  /**
   * Controllers whose agents are missing: they do not respond, or lack this version of the entry.
   */
  unreachable: string[];
}

/**
 * Counts the agents of rollouts at all controllers. Each controller counts the agents connected to
 * it.
 */
export class Census {
  readonly #agents: AgentDirectory;
  readonly #peers: Peers;
  readonly #assignments: Assignments;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(
    parts: { agents: AgentDirectory; peers: Peers; assignments: Assignments },
    tools: { clock: Clock; logger: Logger },
  ) {
    this.#agents = parts.agents;
    this.#peers = parts.peers;
    this.#assignments = parts.assignments;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
  }

  /** RolloutService.CountRollouts: the agents connected to this controller. */
  async countLocal({ entries, revision }: CountRolloutsRequest): Promise<CountRolloutsResponse> {
    await this.#assignments.waitForRevision(revision);
    return this.#countOwn(entries);
  }

  #countOwn(entries: CountRolloutsRequest['entries']): CountRolloutsResponse {
    const nowMs = this.#clock.monotonicMs();
    const known = entries.flatMap(({ name, etag, numbers }) => {
      const assignment = this.#assignments.find(name);
      return assignment?.target.entry.etag === etag ? [{ assignment, numbers }] : [];
    });
    return {
      entries: known.map(({ assignment, numbers }) =>
        countAgents(assignment, this.#agents.sessions(), { numbers }, nowMs),
      ),
    };
  }

  /** The agents of all controllers, in the order of the requests. */
  async count(requests: readonly CensusRequest[]): Promise<EntryCensus[]> {
    const entries = requests.map(({ assignment: { target }, numbers }) => {
      return { name: target.entry.name, etag: target.entry.etag, numbers };
    });
    const request = { entries, revision: this.#assignments.revision };
    const others = this.#peers.all().map(async ({ id, rollouts }) => {
      try {
        const signal = AbortSignal.timeout(PEER_TIMEOUT_MS);
        return { id, response: await rollouts.countRollouts(request, { signal }) };
      } catch (error) {
        this.#logger.debug('controller does not count its agents', { controller: id, error: errorText(error) });
        return { id, response: undefined };
      }
    });
    const responses = [
      { id: this.#agents.controllerId, response: this.#countOwn(entries) },
      ...(await Promise.all(others)),
    ];
    const disconnectedLabels = [...this.#agents.all()].flatMap(({ controller, labels }) =>
      controller === undefined ? [labels] : [],
    );
    return requests.map(({ assignment }) => {
      const counts: RolloutCounts[] = [];
      const numbers: bigint[] = [];
      const unreachable: string[] = [];
      for (const { id, response } of responses) {
        const found = response?.entries.find(({ name }) => name === assignment.name);
        if (found?.counts) counts.push(found.counts);
        else unreachable.push(controllerName(id));
        for (const number of found?.numbers ?? []) numbers.push(number);
      }
      const disconnected = disconnectedLabels.filter((labels) => assignment.concerns(labels)).length;
      return { counts: sumCounts(counts), numbers, unreachable, disconnected };
    });
  }
}
