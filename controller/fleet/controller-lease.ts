import { randomUUID } from 'node:crypto';
import { createBackoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { EtcdClient, EtcdLease } from '../etcd/etcd-client.ts';
import type { KeyFamily } from '../etcd/keyspace.ts';
import { StoreError } from '../etcd/store-error.ts';
import type { ControllerRecord, LiveControllers } from './live-controllers.ts';

const RENEW_RETRY = { initialMs: 100, maxMs: 2_000 };

/** Writes keys under the controller's lease. */
export interface LeaseUser {
  /** Called with each new lease, and with undefined when the lease is lost. */
  setLease(lease: EtcdLease | undefined): void;
  /** Called after each renewal: etcd has just responded. */
  catchUp(): void;
}

/**
 * This controller's lease in etcd. Its key `controllers/CONTROLLER` and the presence of its agents
 * are written under it. When the controller dies, etcd deletes them. A lost lease is granted again
 * and the keys are written again, which streams do not notice.
 */
export class ControllerLease {
  readonly #client: EtcdClient;
  readonly #controllers: LiveControllers;
  readonly #user: LeaseUser;
  readonly #options: { keys: KeyFamily; ttlMs: number };
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** Distinguishes this process from another one with the same controller id. */
  readonly #instance = randomUUID();
  #lease: EtcdLease | undefined;
  #renewedMs = 0;

  constructor(
    client: EtcdClient,
    controllers: LiveControllers,
    user: LeaseUser,
    options: { keys: KeyFamily; ttlMs: number },
    tools: { clock: Clock; logger: Logger },
  ) {
    this.#client = client;
    this.#controllers = controllers;
    this.#user = user;
    this.#options = options;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
    controllers.onChange((id) => this.#checkOwnId(id));
  }

  /** Whether the lease was renewed within its time, so that the other controllers see this one. */
  get isHeld(): boolean {
    return this.#lease !== undefined && this.#clock.monotonicMs() - this.#renewedMs < this.#options.ttlMs;
  }

  /**
   * Keeps the lease until `signal` is aborted, then revokes it, so that the other controllers
   * notice at once. `address`: where they reach this one.
   */
  async run(address: string, signal: AbortSignal): Promise<void> {
    const backoff = createBackoff(RENEW_RETRY);
    while (!signal.aborted) {
      try {
        if (this.#lease) await this.#lease.keepAlive();
        else await this.#grant(address);
        this.#renewedMs = this.#clock.monotonicMs();
        backoff.reset();
        this.#user.catchUp();
        await this.#clock.sleep(this.#options.ttlMs / 4, signal);
      } catch (error) {
        if (signal.aborted) break;
        if (error instanceof StoreError && error.code === 'REFUSED') this.#setLease(undefined);
        this.#logger.warn('controller lease not renewed, retrying', { error: errorText(error) });
        await this.#clock.sleep(backoff.next(), signal).catch(() => {});
      }
    }
    await this.#lease
      ?.revoke()
      .catch((error: unknown) => this.#logger.warn('controller lease not revoked', { error: errorText(error) }));
  }

  async #grant(address: string): Promise<void> {
    const { keys, ttlMs } = this.#options;
    const lease = await this.#client.grantLease(Math.round(ttlMs / 1000));
    const record: ControllerRecord = { address, instance: this.#instance };
    await this.#client.put(keys.key(this.#controllers.ownId), JSON.stringify(record), lease.id);
    this.#setLease(lease);
  }

  #setLease(lease: EtcdLease | undefined): void {
    this.#lease = lease;
    this.#user.setLease(lease);
  }

  /**
   * Two controllers with one id would each see half of the other's agents. The later one takes over
   * the key; the earlier one logs it.
   */
  #checkOwnId(id: string): void {
    if (id !== this.#controllers.ownId || !this.#lease) return;
    const { instance, address } = this.#controllers.find(id) ?? {};
    if (instance === undefined || instance === this.#instance) return;
    const remedy = 'give each controller an id of its own (--id)';
    this.#logger.error('another controller has the same id', { controller: id, address, remedy });
  }
}
