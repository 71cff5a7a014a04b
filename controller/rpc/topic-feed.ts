import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';

/** Tells watchers of entries whose topic's status changed. */
export class TopicFeed {
  readonly #listeners = new Set<(entry: Entry) => void>();

  tell(entry: Entry): void {
    for (const listener of [...this.#listeners]) listener(entry);
  }

  onChange(listener: (entry: Entry) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
