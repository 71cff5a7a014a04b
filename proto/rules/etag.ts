import { createHash } from 'node:crypto';

const HASH_DIGITS = 8;

/**
 * The etag of a value that was written to etcd: `4711-9f86d081`, its revision and a hash. The
 * revision alone does not identify a write. When etcd is restored from a backup, it counts from the
 * backup's revision on, and reaches the same revisions with other writes
 * (https://github.com/etcd-io/etcd/issues/16028).
 */
export function makeEtag(revision: bigint, value: string): string {
  return `${revision}-${createHash('sha256').update(value).digest('hex').slice(0, HASH_DIGITS)}`;
}

/** The revision in an etag, in decimal. An etag of a previous release is only a revision. */
export function etagRevision(etag: string): string {
  return etag.replace(/-.*$/, '');
}
