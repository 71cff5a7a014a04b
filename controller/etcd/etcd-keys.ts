/** Keys from `start` on, and before `end`. */
export interface KeyRange {
  start: string;
  end: string;
}

/** Writes that are made together, if all of `when` hold. Not more than once to one key. */
export interface Transaction {
  /** The revision of each key's last write; 0n: there is no such key. */
  when: readonly { key: string; revision: bigint }[];
  puts: readonly { key: string; value: string }[];
  deletes: readonly (string | KeyRange)[];
}

/** A key as etcd has it. */
export interface StoredKey {
  key: string;
  value: string;
  /** The revision of its last write. */
  revision: bigint;
}

/** A key as it is read, with the revision of its first write. */
export interface ReadKey extends StoredKey {
  created: bigint;
}

/** A change of a key; `value` is absent when it was deleted, and `created` is 0n then. */
export interface KeyChange {
  key: string;
  value: string | undefined;
  revision: bigint;
  created: bigint;
}

/** All keys that begin with `prefix`, which ends in an ASCII character. */
export function keysBelow(prefix: string): KeyRange {
  return { start: prefix, end: prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1) };
}
