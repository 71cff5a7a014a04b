import type { Etcd3, Watcher } from 'etcd3';
import type { KeyChange, KeyRange } from './etcd-keys.ts';

export interface WatchHandlers {
  onChanges(changes: KeyChange[]): void;
  /**
   * Called once when the watch is gone, as after a compaction, or may have missed something, as after a lost connection: then list
   * again.
   */
  onBroken(error: Error): void;
}

/** Follows a range from `fromRevision` on. Returns what ends it. */
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
        created: BigInt(kv.create_revision),
      })),
    );
  });
  const end = () => {
    if (ended) return;
    ended = true;
    // It can't be cancelled while etcd is away; it is deaf from here on anyhow.
    watcher.cancel().catch(() => {});
  };
  const broken = (error: Error) => {
    if (ended) return;
    end();
    handlers.onBroken(error);
  };
  watcher.on('error', broken);
  // Connected again, the package goes on from the answer's revision, not from where it was: what lies between would be lost.
  watcher.on('disconnected', broken);
  return end;
}
