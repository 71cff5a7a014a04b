import { errorText } from '../runtime/errors.ts';
import type { Logger } from '../runtime/logger.ts';
import type { EtcdMirror } from './etcd-mirror.ts';

/**
 * What the keys below one prefix mean, parsed when they change. A key that makes no sense is told and treated as absent: somebody wrote
 * to etcd past us, and must mend it.
 */
export class EtcdView<T> {
  readonly #items = new Map<string, T>();
  readonly #listeners: ((id: string) => void)[] = [];

  constructor(mirror: EtcdMirror, prefix: string, parse: (value: string) => T, logger: Logger) {
    mirror.onChange(({ key, value }) => {
      if (!key.startsWith(prefix)) return;
      const id = key.slice(prefix.length);
      this.#items.delete(id);
      try {
        if (value !== undefined) this.#items.set(id, parse(value));
      } catch (error) {
        logger.error('a key in etcd makes no sense; it is ignored', { key, error: errorText(error) });
      }
      for (const listener of this.#listeners) listener(id);
    });
  }

  get(id: string): T | undefined {
    return this.#items.get(id);
  }

  /** Ids and items, in no order. */
  all(): IterableIterator<[id: string, item: T]> {
    return this.#items.entries();
  }

  /** Calls `listener` with the id of each item that changed. */
  onChange(listener: (id: string) => void): void {
    this.#listeners.push(listener);
  }
}
