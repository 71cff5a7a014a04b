import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { EtcdMirror } from '../etcd/etcd-mirror.ts';
import { EtcdView } from '../etcd/etcd-view.ts';
import type { Keyspace } from '../etcd/keyspace.ts';
import { type AgentRecord, parseRecord } from './agent-record.ts';
import { type Presence, parsePresence } from './presence.ts';

/** The end of a stream that nobody recorded, because its controller died. */
export interface Disappearance {
  controller: string;
  connectTime: Date;
  noticedTime: Date;
}

/**
 * What etcd has of all agents: their records, and where each is connected. AgentClaims writes it.
 */
export class AgentRegistry {
  readonly #records: EtcdView<AgentRecord>;
  readonly #presences: EtcdView<Presence>;
  readonly #disappearances = new Map<string, Disappearance>();
  readonly #clock: Clock;

  constructor(mirror: EtcdMirror, keys: Keyspace, { clock, logger }: { clock: Clock; logger: Logger }) {
    this.#clock = clock;
    this.#presences = new EtcdView(mirror, keys.presence, parsePresence, logger);
    this.#records = new EtcdView(mirror, keys.agents, parseRecord, logger);
    this.#presences.onChange((agentId, previous) => this.#handlePresence(agentId, previous));
    this.#records.onChange((agentId) => this.#disappearances.delete(agentId));
  }

  record(agentId: string): AgentRecord | undefined {
    return this.#records.get(agentId);
  }

  /** The record of every agent that has not been forgotten, by the agent's id. */
  records(): IterableIterator<[agentId: string, record: AgentRecord]> {
    return this.#records.all();
  }

  /** Where an agent is connected; undefined while it is disconnected. */
  presence(agentId: string): Presence | undefined {
    return this.#presences.get(agentId);
  }

  /** Where each connected agent is connected, by its id. */
  presences(): IterableIterator<[agentId: string, presence: Presence]> {
    return this.#presences.all();
  }

  /** Undefined when the agent's record tells how its last stream ended. */
  disappearance(agentId: string): Disappearance | undefined {
    return this.#disappearances.get(agentId);
  }

  /** Calls `listener` with an agent's id after its presence has changed. */
  onPresenceChange(listener: (agentId: string) => void): void {
    this.#presences.onChange(listener);
  }

  /** Calls `listener` with an agent's id after its presence or its record has changed. */
  onChange(listener: (agentId: string) => void): void {
    this.#presences.onChange(listener);
    this.#records.onChange(listener);
  }

  #handlePresence(agentId: string, previous: Presence | undefined): void {
    if (this.#presences.get(agentId) || !previous) {
      this.#disappearances.delete(agentId);
      return;
    }
    const noticedTime = new Date(this.#clock.nowMs());
    const { controller, connect_time: connectTime } = previous;
    this.#disappearances.set(agentId, { controller, connectTime: new Date(connectTime), noticedTime });
  }
}
