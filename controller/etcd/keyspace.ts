import { type KeyRange, keysBelow } from './etcd-keys.ts';

/** Wide enough that the keys' order is the versions' order. */
const DIGITS = 10;

/**
 * Where entries and their history are in etcd. `~` sorts behind all else below the prefix, so that the view of what is now can leave the
 * history out; and whoever may use the prefix may use both.
 *
 *     entries/ID               the entry
 *     rollouts/ROLLOUT         a rollout; its entry says which one is its own
 *     ~versions/ID/0000000007  its seventh version, written by the same transaction
 *     ~deleted/ID              there is a history of this name, and no entry
 *     ~trimmed                 deletions up to which revision are not kept any more
 */
export class Keyspace {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  entry(id: string): string {
    return `${this.#prefix}entries/${id}`;
  }

  rollout(rolloutId: string): string {
    return `${this.#prefix}rollouts/${rolloutId}`;
  }

  version(id: string, version: bigint): string {
    return `${this.#prefix}~versions/${id}/${String(version).padStart(DIGITS, '0')}`;
  }

  /** All versions of all entries, or of one. */
  versions(id?: string): KeyRange {
    return keysBelow(`${this.#prefix}~versions/${id === undefined ? '' : `${id}/`}`);
  }

  /** Versions older than `version`. */
  versionsBefore(id: string, version: bigint): KeyRange {
    return { start: this.versions(id).start, end: this.version(id, version) };
  }

  deleted(id: string): string {
    return `${this.#prefix}~deleted/${id}`;
  }

  allDeleted(): KeyRange {
    return keysBelow(`${this.#prefix}~deleted/`);
  }

  get trimmed(): string {
    return `${this.#prefix}~trimmed`;
  }

  /** Whose version a key is. Throws for what is no version's key. */
  parseVersion(key: string): { id: string; version: bigint } {
    const match = /~versions\/([^/]+)\/(\d+)$/.exec(key);
    if (!match) throw new Error(`${key} is not the key of a version`);
    return { id: match[1] as string, version: BigInt(match[2] as string) };
  }

  /** Which entry a key of `allDeleted` is about. */
  parseDeleted(key: string): string {
    return key.slice(this.allDeleted().start.length);
  }
}
