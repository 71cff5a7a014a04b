/** The keys from `start` up to, but not including, `end`. */
export interface KeyRange {
  start: string;
  end: string;
}

/** Writes that are made together if every condition holds. No key may be written twice. */
export interface Transaction {
  /** The expected revision of each key's last write; 0n: the key must not exist. */
  conditions: readonly { key: string; revision: bigint }[];
  puts: readonly { key: string; value: string }[];
  deletes: readonly (string | KeyRange)[];
}

export interface StoredKey {
  key: string;
  value: string;
  /** The revision of its last write. */
  revision: bigint;
}

/** A key as it was read, with the revision of its first write. */
export interface ReadKey extends StoredKey {
  createRevision: bigint;
}

/** A change of a key. When it was deleted, `value` is undefined and `createRevision` is 0n. */
export interface KeyChange {
  key: string;
  value: string | undefined;
  revision: bigint;
  createRevision: bigint;
}

/** All keys that begin with `prefix`, which must end in an ASCII character. */
export function prefixRange(prefix: string): KeyRange {
  const last = prefix.length - 1;
  return { start: prefix, end: prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(last) + 1) };
}
