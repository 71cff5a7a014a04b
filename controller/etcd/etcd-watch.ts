import type { Etcd3, Watcher } from 'etcd3';
import type { KeyChange, KeyRange } from './etcd-keys.ts';

export interface WatchHandlers {
  onChanges(changes: KeyChange[]): void;
  /**
   * Called once, when the watch has ended (as after a compaction) or may have missed a change (as
   * after a lost connection). The owner must list the range again.
   */
  onBroken(error: Error): void;
}

/** Watches a range from `fromRevision` on. Returns a function that ends the watch. */
export function watchRange(client: Etcd3, range: KeyRange, fromRevision: bigint, handlers: WatchHandlers): () => void {
  const watcher: Watcher = client.watch().inRange(range).startRevision(String(fromRevision)).watcher();
  let ended = false;
  watcher.on('data', ({ events }) => {
    if (ended || events.length === 0) return;
    handlers.onChanges(
      events.map(({ type, kv }) => ({
        key: kv.key.toString(),
        value: type === 'Put' ? kv.value.toString() : undefined,
        revision: BigInt(kv.mod_revision),
        createRevision: BigInt(kv.create_revision),
      })),
    );
  });
  const end = () => {
    if (ended) return;
    ended = true;
    // Cancelling fails while etcd is unreachable. From here on events are ignored anyway.
    watcher.cancel().catch(() => {});
  };
  const handleBroken = (error: Error) => {
    if (ended) return;
    end();
    handlers.onBroken(error);
  };
  watcher.on('connected', ({ header }) => {
    // An etcd that was restored from a backup would report nothing until it reaches `fromRevision`.
    if (BigInt(header.revision) + 1n < fromRevision)
      handleBroken(new Error(`etcd went back to revision ${header.revision}`));
  });
  watcher.on('error', handleBroken);
  // After a reconnect, etcd3 resumes at the revision of the new response, not at the last event:
  // changes in between would be lost.
  watcher.on('disconnected', handleBroken);
  return end;
}
