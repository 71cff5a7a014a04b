import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { EtcdMirror } from './etcd-mirror.ts';

/**
 * What the keys below one prefix mean, parsed when they change. A key that makes no sense is told, and treated as absent, or with `keepsLast`
 * as what it last was: somebody wrote to etcd past us, and must mend it.
 */
export class EtcdView<T> {
  readonly #items = new Map<string, T>();
  readonly #listeners: ((id: string, former: T | undefined) => void)[] = [];

  constructor(
    mirror: EtcdMirror,
    prefix: string,
    parse: (value: string, revision: bigint) => T,
    logger: Logger,
    { keepsLast = false } = {},
  ) {
    mirror.onChange(({ key, value, revision }) => {
      if (!key.startsWith(prefix)) return;
      const id = key.slice(prefix.length);
      const former = this.#items.get(id);
      try {
        if (value === undefined) this.#items.delete(id);
        else this.#items.set(id, parse(value, revision));
      } catch (error) {
        if (!keepsLast) this.#items.delete(id);
        logger.error('a key in etcd makes no sense; it is ignored', { key, error: errorText(error) });
      }
      for (const listener of this.#listeners) listener(id, former);
    });
  }

  get(id: string): T | undefined {
    return this.#items.get(id);
  }

  /** Ids and items, in no order. */
  all(): IterableIterator<[id: string, item: T]> {
    return this.#items.entries();
  }

  /** Calls `listener` with the id of each item that changed, and what it was. */
  onChange(listener: (id: string, former: T | undefined) => void): void {
    this.#listeners.push(listener);
  }
}
