import { type KeyRange, prefixRange } from './etcd-keys.ts';

/** Zero-padded to this width, so that the order of the keys is the order of the versions. */
const VERSION_DIGITS = 10;

/** The keys of one kind: a common prefix, then an id. */
export class KeyFamily {
  readonly prefix: string;

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  get range(): KeyRange {
    return prefixRange(this.prefix);
  }

  key(id: string): string {
    return this.prefix + id;
  }

  /** The id in a key; undefined when the key belongs to another family. */
  parseId(key: string): string | undefined {
    return key.startsWith(this.prefix) ? key.slice(this.prefix.length) : undefined;
  }
}

/**
 * Every key that the controllers use, below one prefix (`etcd.prefix`, by default `/logfleet/`).
 *
 *     agents/AGENT                what is known of an agent; stays while it is disconnected
 *     presence/AGENT              the stream that holds the agent's id; on a lease
 *     controllers/CONTROLLER      a running controller; on a lease
 *     elections/TASK              the controller that is elected for a task; on a lease
 *     entries/ENTRY               a collection entry
 *     fleet                       marks that entries have been written below this prefix
 *     rollouts/ROLLOUT            a rollout; its entry names the one it belongs to
 *     settings/AGENT              what operators have set for an agent
 *     alerts/ALERT                an alert
 *     ~versions/ENTRY/0000000007  an entry's seventh version, written by the same transaction
 *     ~deleted/ENTRY              marks a name that has versions and no entry
 *     ~trimmed                    the revision up to which deleted entries have lost their versions
 *
 * `~` sorts after every other key below the prefix. This lets the mirror leave the history out,
 * and etcd's access rules for the prefix cover both.
 */
export class Keyspace {
  readonly agents: KeyFamily;
  readonly presence: KeyFamily;
  readonly controllers: KeyFamily;
  readonly elections: KeyFamily;
  readonly entries: KeyFamily;
  readonly rollouts: KeyFamily;
  readonly settings: KeyFamily;
  readonly alerts: KeyFamily;
  readonly deletions: KeyFamily;
  /** Everything except the history. */
  readonly current: KeyRange;
  /** A single key. */
  readonly fleet: string;
  /** A single key. */
  readonly trimmed: string;
  readonly #versions: KeyFamily;

  constructor(prefix: string) {
    this.agents = new KeyFamily(`${prefix}agents/`);
    this.presence = new KeyFamily(`${prefix}presence/`);
    this.controllers = new KeyFamily(`${prefix}controllers/`);
    this.elections = new KeyFamily(`${prefix}elections/`);
    this.entries = new KeyFamily(`${prefix}entries/`);
    this.rollouts = new KeyFamily(`${prefix}rollouts/`);
    this.settings = new KeyFamily(`${prefix}settings/`);
    this.alerts = new KeyFamily(`${prefix}alerts/`);
    this.deletions = new KeyFamily(`${prefix}~deleted/`);
    this.current = { start: prefix, end: `${prefix}~` };
    this.fleet = `${prefix}fleet`;
    this.trimmed = `${prefix}~trimmed`;
    this.#versions = new KeyFamily(`${prefix}~versions/`);
  }

  version(entryId: string, version: bigint): string {
    return this.#versions.key(`${entryId}/${String(version).padStart(VERSION_DIGITS, '0')}`);
  }

  /** All versions of one entry, or of every entry. */
  versions(entryId?: string): KeyRange {
    return entryId === undefined ? this.#versions.range : prefixRange(this.#versions.key(`${entryId}/`));
  }

  /** The versions of an entry that are older than `version`. */
  versionsBefore(entryId: string, version: bigint): KeyRange {
    return { start: this.versions(entryId).start, end: this.version(entryId, version) };
  }

  /** The entry and the number in the key of a version. Throws for any other key. */
  parseVersion(key: string): { id: string; version: bigint } {
    const match = /^([^/]+)\/(\d+)$/.exec(this.#versions.parseId(key) ?? '');
    if (!match) throw new Error(`${key} is not the key of a version`);
    return { id: match[1] as string, version: BigInt(match[2] as string) };
  }
}
