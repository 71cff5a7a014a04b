/**
 * A queue that holds at most one value per key: a newer value replaces the older one. A slow reader
 * receives the last state of every key. The number of keys bounds the memory, whatever the rate of
 * writes.
 */
export interface Outbox<Key, Value> {
  /** Sets the pending value of `key`. Has no effect after `close`. */
  put(key: Key, value: Value): void;
  /**
   * Removes and returns all pending values, the oldest key first. Waits while there are none.
   * Returns undefined once the outbox is closed and empty.
   */
  take(): Promise<Map<Key, Value> | undefined>;
  /** Ends writing. Pending values can still be taken. */
  close(): void;
  /** The number of pending values. */
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
