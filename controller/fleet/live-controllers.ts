import type { Logger } from '../../runtime/logger.ts';
import type { EtcdMirror } from '../etcd/etcd-mirror.ts';
import { EtcdView } from '../etcd/etcd-view.ts';
import type { KeyFamily } from '../etcd/keyspace.ts';

/** A running controller, as etcd has it (`controllers/CONTROLLER`). */
export interface ControllerRecord {
  /** Where the other controllers reach it. */
  address: string;
  /** The process. Older releases do not write it. */
  instance: string | undefined;
}

/** The controllers whose leases have not expired. */
export class LiveControllers {
  readonly #view: EtcdView<ControllerRecord>;
  readonly ownId: string;

  constructor(mirror: EtcdMirror, keys: KeyFamily, ownId: string, logger: Logger) {
    this.#view = new EtcdView(mirror, keys, parseController, logger);
    this.ownId = ownId;
  }

  find(id: string): ControllerRecord | undefined {
    return this.#view.get(id);
  }

  /** The addresses of all controllers, by id. */
  addresses(): Map<string, string> {
    return new Map([...this.#view.all()].map(([id, { address }]) => [id, address]));
  }

  /** The addresses of the other controllers, by id. */
  otherAddresses(): Map<string, string> {
    const addresses = this.addresses();
    addresses.delete(this.ownId);
    return addresses;
  }

  /** Calls `listener` with the id of each controller that has changed. */
  onChange(listener: (id: string) => void): void {
    this.#view.onChange(listener);
  }
}

/** Throws when the value is not a controller. */
function parseController(value: string): ControllerRecord {
  const controller = JSON.parse(value) as Partial<ControllerRecord> | null;
  if (typeof controller?.address !== 'string') throw new Error('address is missing');
  const { address, instance } = controller;
  return { address, instance };
}
