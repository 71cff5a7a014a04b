/**
 * Latest wins: at most one value per key waits, and a newer one replaces it. A slow reader therefore sees every key's last
 * state, and memory is bounded by the number of keys, however fast the writers are.
 */
export interface Outbox<Key, Value> {
  /** Sets what is pending for `key`. Legal until `close`. */
  put(key: Key, value: Value): void;
  /** Takes all that is pending, oldest key first; waits while nothing is. Returns undefined once closed and empty. */
  take(): Promise<Map<Key, Value> | undefined>;
  /** No more puts; what is pending can still be taken. */
  close(): void;
  readonly size: number;
}

export function createOutbox<Key, Value>(): Outbox<Key, Value> {
  let pending = new Map<Key, Value>();
  let closed = false;
  let wake: (() => void) | undefined;
  const signal = () => {
    wake?.();
    wake = undefined;
  };
  return {
    put(key, value) {
      if (closed) return;
      pending.set(key, value);
      signal();
    },
    async take() {
      while (pending.size === 0) {
        if (closed) return undefined;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const taken = pending;
      pending = new Map();
      return taken;
    },
    close() {
      closed = true;
      signal();
    },
    get size() {
      return pending.size;
    },
  };
}
