import { randomUUID } from 'node:crypto';
import type { AgentIdentity } from '../../proto/gen/logfleet/v1/fleet.ts';
import { createBackoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { EtcdClient, EtcdLease } from '../etcd/etcd-client.ts';
import type { EtcdMirror } from '../etcd/etcd-mirror.ts';
import { EtcdView } from '../etcd/etcd-view.ts';
import { StoreError } from '../etcd/store-error.ts';
import { AgentClaims, type Claim, type Presence, readPresence } from './agent-claims.ts';
import { type AgentRecord, encodeRecord, endedRecord, parseRecord, saysAlready } from './agent-record.ts';
import type { AgentSession } from './agent-session.ts';
import { Turns } from './turns.ts';

/** Streams that begin or end write to etcd side by side, so many at once: ten thousand would all be answered too late. */
const WRITES_AT_ONCE = 64;

/** How an agent's stream ended when nobody could write it down: its controller died. */
interface Vanished {
  controller: string;
  connectTime: Date;
  noticedTime: Date;
}

interface Controller {
  address: string;
  /** Absent from what controllers of a former version write. */
  instance: string | undefined;
}

export interface MembershipOptions {
  controllerId: string;
  prefix: string;
  leaseTtlMs: number;
}

const RENEW_RETRY = { initialMs: 100, maxMs: 2_000 };

/**
 * This controller's keys in etcd: itself below `controllers/`, its agents below `presence/`, both under one lease; and the agents' records
 * below `agents/`, which stay. A lease that is lost is granted again and the keys are written again; streams do not notice.
 */
export class Membership {
  readonly #client: EtcdClient;
  readonly #options: MembershipOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #presences: EtcdView<Presence>;
  readonly #records: EtcdView<AgentRecord>;
  readonly #controllers: EtcdView<Controller>;
  /** Tells this process from another one that has the same id. */
  readonly #instance = randomUUID();
  readonly #vanished = new Map<string, Vanished>();
  readonly #turns = new Turns(WRITES_AT_ONCE);
  readonly claims: AgentClaims;
  #lease: EtcdLease | undefined;
  #keptMs = 0;

  constructor(
    client: EtcdClient,
    mirror: EtcdMirror,
    options: MembershipOptions,
    tools: { clock: Clock; logger: Logger },
  ) {
    this.#client = client;
    this.#options = options;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
    const { prefix, controllerId } = options;
    this.#presences = new EtcdView(mirror, `${prefix}presence/`, readPresence, tools.logger);
    this.#records = new EtcdView(mirror, `${prefix}agents/`, parseRecord, tools.logger);
    this.#controllers = new EtcdView(mirror, `${prefix}controllers/`, readController, tools.logger);
    this.#controllers.onChange((id) => this.#controllerChanged(id));
    this.#records.onChange((agentId) => this.#vanished.delete(agentId));
    this.#presences.onChange((agentId, former) => this.#presenceChanged(agentId, former));
    const recordKey = (agentId: string) => this.keysOf(agentId).record;
    const presenceKey = (agentId: string) => this.keysOf(agentId).presence;
    this.claims = new AgentClaims(client, { controllerId, presenceKey, recordKey }, tools.logger);
  }

  get controllerId(): string {
    return this.#options.controllerId;
  }

  /** Whether this controller is known to the others: its lease was kept within its time. */
  get joined(): boolean {
    return this.#lease !== undefined && this.#clock.monotonicMs() - this.#keptMs < this.#options.leaseTtlMs;
  }

  /** Keeps the lease until `signal` is aborted, then gives it up: the others see at once. `address`: where they reach this one. */
  async run(address: string, signal: AbortSignal): Promise<void> {
    const backoff = createBackoff(RENEW_RETRY);
    while (!signal.aborted) {
      try {
        if (this.#lease) await this.#lease.keepAlive();
        else await this.#join(address);
        this.#keptMs = this.#clock.monotonicMs();
        backoff.reset();
        this.claims.catchUp();
        await this.#clock.sleep(this.#options.leaseTtlMs / 4, signal);
      } catch (error) {
        if (signal.aborted) break;
        if (error instanceof StoreError && error.code === 'REFUSED') this.#leave();
        this.#logger.warn('the lease in etcd is at risk', { error: errorText(error) });
        await this.#clock.sleep(backoff.next(), signal).catch(() => {});
      }
    }
    await this.#lease
      ?.revoke()
      .catch((error: unknown) => this.#logger.warn('the lease runs out by itself', { error: errorText(error) }));
  }

  /** Claims an agent's id for a stream that begins; what is known of the agent is written with it, unless etcd has it already. Rejects when `signal` is aborted before its turn. */
  claim(identity: AgentIdentity, instanceId: string, now: Date, signal: AbortSignal): Promise<Claim> {
    return this.#turns.run(() => {
      // Who has given up meanwhile has come again, and waits for another turn.
      signal.throwIfAborted();
      const { agentId, host } = identity;
      const known = this.#records.get(agentId);
      const record = known && saysAlready(known, identity) ? undefined : this.#newRecord(identity, now);
      const presence = { instance_id: instanceId, host, connect_time: now.toISOString() };
      return this.claims.claim(agentId, presence, record);
    });
  }

  /** Writes what is known of an agent that was forgotten while its stream began. */
  async restore(identity: AgentIdentity, now: Date): Promise<void> {
    const { agentId } = identity;
    if (!this.#records.get(agentId))
      await this.#client.put(this.keysOf(agentId).record, this.#newRecord(identity, now));
  }

  /** Ends an agent's stream, and keeps what is known of it, unless it has another one by now. Never rejects. */
  release(claim: Claim, session: AgentSession): Promise<void> {
    return this.#turns.run(() => this.claims.release(claim, endedRecord(session, this.controllerId)));
  }

  /** Where an agent is connected; undefined when it is not. */
  presence(agentId: string): Presence | undefined {
    return this.#presences.get(agentId);
  }

  /** How an agent's last stream ended, where its record can't say. */
  vanished(agentId: string): Vanished | undefined {
    return this.#vanished.get(agentId);
  }

  /** Every agent that is not forgotten, by id. */
  records(): IterableIterator<[agentId: string, record: AgentRecord]> {
    return this.#records.all();
  }

  recordOf(agentId: string): AgentRecord | undefined {
    return this.#records.get(agentId);
  }

  /** Where each agent that is connected is, by its id. */
  presences(): IterableIterator<[agentId: string, presence: Presence]> {
    return this.#presences.all();
  }

  /** Agents that are not connected, and were last seen before. */
  unseenSince(timeMs: number): string[] {
    const seenMs = (id: string, { lastSeenTime }: AgentRecord) =>
      Math.max(lastSeenTime.getTime(), this.#vanished.get(id)?.noticedTime.getTime() ?? 0);
    const gone = [...this.#records.all()].filter(([id]) => !this.#presences.get(id));
    return gone.filter(([id, record]) => seenMs(id, record) < timeMs).map(([id]) => id);
  }

  /** Agents that are connected here, and whose records are from before. */
  connectedWithRecordsOf(timeMs: number): string[] {
    const old = [...this.#records.all()].filter(([, { lastSeenTime }]) => lastSeenTime.getTime() < timeMs);
    return old.map(([id]) => id).filter((id) => this.#presences.get(id)?.controller === this.controllerId);
  }

  keysOf(agentId: string): { record: string; presence: string } {
    const { prefix } = this.#options;
    return { record: `${prefix}agents/${agentId}`, presence: `${prefix}presence/${agentId}` };
  }

  /** The controllers that are alive, this one too: address by id. */
  controllers(): Map<string, string> {
    return new Map([...this.#controllers.all()].map(([id, { address }]) => [id, address]));
  }

  /** The other controllers that are alive: address by id. */
  peers(): Map<string, string> {
    const all = this.controllers();
    all.delete(this.controllerId);
    return all;
  }

  /** Calls `listener` with an agent's id when its presence or its record changed. */
  onChange(listener: (agentId: string) => void): void {
    this.#presences.onChange(listener);
    this.#records.onChange(listener);
  }

  async #join(address: string): Promise<void> {
    const lease = await this.#client.grantLease(Math.round(this.#options.leaseTtlMs / 1000));
    const key = `${this.#options.prefix}controllers/${this.controllerId}`;
    await this.#client.put(key, JSON.stringify({ address, instance: this.#instance } satisfies Controller), lease.id);
    this.#lease = lease;
    this.claims.under(lease);
  }

  #leave(): void {
    this.#lease = undefined;
    this.claims.under(undefined);
  }

  /** An agent that comes is what it last was until it reports. */
  #newRecord(identity: AgentIdentity, now: Date): string {
    const lastState = this.#records.get(identity.agentId)?.lastState ?? '';
    const controller = this.controllerId;
    return encodeRecord({ identity, controller, connectTime: now, lastSeenTime: now, stopped: false, lastState });
  }

  /** The later one takes the key: the former one tells, for the agents of both would be known by halves. */
  #controllerChanged(id: string): void {
    const { instance, address } = this.#controllers.get(id) ?? {};
    if (id !== this.controllerId || !this.#lease || instance === undefined || instance === this.#instance) return;
    const remedy = 'give each an id of its own';
    this.#logger.error('another controller has the id of this one', { id, address, remedy });
  }

  #presenceChanged(agentId: string, former: Presence | undefined): void {
    const presence = this.#presences.get(agentId);
    if (presence) this.claims.seen(agentId, presence);
    if (presence || !former) {
      this.#vanished.delete(agentId);
      return;
    }
    const noticedTime = new Date(this.#clock.nowMs());
    const { controller, connect_time: connectTime } = former;
    this.#vanished.set(agentId, { controller, connectTime: new Date(connectTime), noticedTime });
  }
}

function readController(value: string): Controller {
  const controller = JSON.parse(value) as Partial<Controller> | null;
  if (typeof controller?.address !== 'string') throw new Error('no address');
  const { address, instance } = controller;
  return { address, instance };
}
