import { readFileSync } from 'node:fs';
import { type Clock, systemClock } from '../../../runtime/clock.ts';
import { type FoundFile, foundFile } from '../../model/found-file.ts';
import { closeFile, fstat, openToRead } from './file-io.ts';

/** Left for connections, the state, folders that are read, and whatever else the process opens. */
const RESERVE = 128;
/** How long a file with unread bytes stays open while others wait for their turn. */
const TURN_MS = 1_000;

/** Who holds an open file. */
export interface Holder {
  /** All that the file has is delivered, and a path leads to it: closing it costs nothing but to open it again. */
  readonly idle: boolean;
  /** A path leads to it and nothing of it is under way: it can be read on later. */
  readonly yields: boolean;
  /** Closes the file. */
  release(): void;
}

/** A deleted file, held open for its unread bytes, keeps disk space from being free. */
export interface Pinned {
  readonly size: number;
  /** It is just being read. */
  readonly inUse: boolean;
  /** Lets go of the file and tells of what is lost. */
  giveUp(): void;
}

/** There are as many open files as there may be, and none of them can be closed now. */
export class BudgetError extends Error {}

/**
 * How many files may be open at once, and how much disk space deleted ones may hold. When there are as many as there may be, the one that
 * was idle for longest is closed for the next; when none is idle, files take turns. A file that no path leads to is not closed for that.
 */
export class FileBudget {
  readonly #max: number;
  readonly #pinnedBytesMax: number;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  /** Since when each has its file open; the one that was used last is the last. */
  readonly #holders = new Map<Holder, number>();
  readonly #waiting = new Set<() => void>();
  readonly #pinned = new Set<Pinned>();
  #open = 0;

  constructor(max: number, pinnedBytesMax = Number.POSITIVE_INFINITY, clock: Pick<Clock, 'monotonicMs'> = systemClock) {
    this.#max = max;
    this.#pinnedBytesMax = pinnedBytesMax;
    this.#clock = clock;
  }

  /**
   * Opens a file to read it, and says what it is. Rejects with BudgetError when there may be no more, and when it is no regular file. `isLocal`: as
   * it was found.
   */
  async open(path: string, isLocal = false): Promise<{ fd: number; file: FoundFile }> {
    this.#take();
    let fd: number | undefined;
    try {
      fd = await openToRead(path, isLocal);
      const file = foundFile(path, await fstat(fd));
      if (file) return { fd, file };
      throw new Error('is no regular file any more');
    } catch (error) {
      if (fd === undefined) this.#gaveBack();
      else this.close(fd);
      throw error;
    }
  }

  /** Closes a file that was opened here. */
  close(fd: number): void {
    closeFile(fd);
    this.#gaveBack();
  }

  /** `holder` has an open file, of which there is something new. */
  used(holder: Holder): void {
    const openedMs = this.#holders.get(holder) ?? this.#clock.monotonicMs();
    this.#holders.delete(holder);
    this.#holders.set(holder, openedMs);
  }

  /** `holder` has no open file any more. */
  forget(holder: Holder): void {
    this.#holders.delete(holder);
  }

  /** Some holder may be idle now. */
  mayBeIdle(): void {
    if (this.#waiting.size > 0) this.#wakeOne();
  }

  /** Calls `wake` once, when it may be worth trying again to open a file; each is called in its turn. */
  awaitTurn(wake: () => void): void {
    this.#waiting.add(wake);
  }

  /** Gives up waiting; false when `wake` was called already. */
  leaveQueue(wake: () => void): boolean {
    return this.#waiting.delete(wake);
  }

  /** Nothing can be opened unless something is closed. */
  get crowded(): boolean {
    return this.#open >= this.#max;
  }

  pin(pinned: Pinned): void {
    this.#pinned.add(pinned);
  }

  unpin(pinned: Pinned): void {
    this.#pinned.delete(pinned);
  }

  /** The disk space that deleted files hold. */
  get pinnedBytes(): number {
    return [...this.#pinned].reduce((sum, { size }) => sum + size, 0);
  }

  /** How many bytes more deleted files may hold. */
  get pinnedRoom(): number {
    return this.#pinnedBytesMax - this.pinnedBytes;
  }

  /** Gives up the oldest deleted files until the others are within the budget: of disk space, and half of the open files. */
  keepWithin(): void {
    let bytes = this.pinnedBytes;
    for (const pinned of this.#pinned) {
      if (bytes <= this.#pinnedBytesMax && this.#pinned.size <= this.#max / 2) return;
      if (pinned.inUse) continue;
      bytes -= pinned.size;
      this.#pinned.delete(pinned);
      pinned.giveUp();
    }
  }

  #take(): void {
    if (this.crowded && !this.#makeRoom()) {
      const remedy = 'raise the limit (ulimit -n, or LimitNOFILE in the unit) and restart the agent, or collect fewer';
      throw new BudgetError(
        `not opened yet: ${this.#open} files with unread lines are open, as many as the limit of this process allows; it waits for its turn, or: ${remedy}`,
      );
    }
    this.#open++;
  }

  #makeRoom(): boolean {
    const longAgoMs = this.#clock.monotonicMs() - TURN_MS;
    let yielding: Holder | undefined;
    for (const [holder, openedMs] of this.#holders) {
      if (holder.idle) return this.#close(holder);
      if (openedMs <= longAgoMs && holder.yields) yielding ??= holder;
    }
    return yielding !== undefined && this.#close(yielding);
  }

  #close(holder: Holder): boolean {
    this.#holders.delete(holder);
    holder.release();
    return !this.crowded;
  }

  #gaveBack(): void {
    this.#open--;
    this.#wakeOne();
  }

  #wakeOne(): void {
    const [wake] = this.#waiting;
    if (!wake) return;
    this.#waiting.delete(wake);
    wake();
  }
}

/** What this process's limit on open files (RLIMIT_NOFILE, which Node raises as far as it may) leaves for files that are read. */
export function openFilesMax(): number {
  const limit = descriptorLimit();
  return limit > 4 * RESERVE ? limit - RESERVE : Math.floor(limit / 2);
}

/** RLIMIT_NOFILE; infinite where the system does not tell. */
export function descriptorLimit(): number {
  try {
    const [, soft = ''] = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return Number(soft) || Number.POSITIVE_INFINITY;
  } catch {
    // Not Linux: the system itself says when there are too many.
    return Number.POSITIVE_INFINITY;
  }
}
