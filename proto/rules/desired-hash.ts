import { createHash } from 'node:crypto';

/** The hash of a desired state; agent_service.proto defines it at `Desired.hash`. */
export function desiredHash(entries: Iterable<{ name: string; uid: string; etag: string }>): string {
  const hash = createHash('sha256');
  const sorted = [...entries].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name, uid, etag } of sorted) hash.update(`${name} ${uid} ${etag}\n`);
  return hash.digest('hex');
}
