import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { KeyChange } from './etcd-keys.ts';
import type { EtcdMirror } from './etcd-mirror.ts';
import type { KeyFamily } from './keyspace.ts';

/**
 * The keys of one family, parsed when they change. A key that cannot be parsed was written behind
 * the controllers' back. It is logged, and counts as absent until an operator corrects it. With
 * `keepsLast` its last valid value stays in force.
 */
export class EtcdView<T> {
  readonly #items = new Map<string, T>();
  readonly #listeners: ((id: string, previous: T | undefined) => void)[] = [];

  constructor(
    mirror: EtcdMirror,
    family: KeyFamily,
    parse: (value: string, revisions: Pick<KeyChange, 'revision' | 'createRevision'>) => T,
    logger: Logger,
    { keepsLast = false } = {},
  ) {
    mirror.onChange(({ key, value, revision, createRevision }) => {
      const id = family.parseId(key);
      if (id === undefined) return;
      const previous = this.#items.get(id);
      try {
        if (value === undefined) this.#items.delete(id);
        else this.#items.set(id, parse(value, { revision, createRevision }));
      } catch (error) {
        if (!keepsLast) this.#items.delete(id);
        logger.error('etcd key ignored: its value is invalid', { key, error: errorText(error) });
      }
      for (const listener of this.#listeners) listener(id, previous);
    });
  }

  get(id: string): T | undefined {
    return this.#items.get(id);
  }

  /** Ids and items, unsorted. */
  all(): IterableIterator<[id: string, item: T]> {
    return this.#items.entries();
  }

  /** Calls `listener` after each change, with the item's id and its previous value. */
  onChange(listener: (id: string, previous: T | undefined) => void): void {
    this.#listeners.push(listener);
  }
}
