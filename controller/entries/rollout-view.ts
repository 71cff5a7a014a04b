import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { EtcdMirror } from '../etcd/etcd-mirror.ts';
import { type KnownRollout, parseRollout } from './rollout-record.ts';

/** The rollouts in etcd, by their ids. */
export class RolloutView {
  readonly #known = new Map<string, KnownRollout>();
  readonly #listeners: ((entry: string) => void)[] = [];

  constructor(mirror: EtcdMirror, prefix: string, logger: Logger) {
    const below = `${prefix}rollouts/`;
    mirror.onChange(({ key, value, revision, created }) => {
      if (!key.startsWith(below)) return;
      const id = key.slice(below.length);
      const former = this.#known.get(id);
      try {
        if (value === undefined) this.#known.delete(id);
        else this.#known.set(id, { rollout: parseRollout(value), revision, created });
      } catch (error) {
        // It stays as it was, so that nobody is given what was not meant for them.
        logger.error('a key in etcd is not a rollout; it is ignored', { key, error: errorText(error) });
      }
      const entries = new Set([former, this.#known.get(id)].flatMap((known) => known?.rollout.entry ?? []));
      for (const entry of entries) for (const listener of this.#listeners) listener(entry);
    });
  }

  get(id: string | undefined): KnownRollout | undefined {
    return id === undefined ? undefined : this.#known.get(id);
  }

  all(): KnownRollout[] {
    return [...this.#known.values()];
  }

  /** Calls `listener` with the name of the entry whose rollout has changed. */
  onChange(listener: (entry: string) => void): void {
    this.#listeners.push(listener);
  }
}
