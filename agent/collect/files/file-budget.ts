import { readFileSync } from 'node:fs';
import { type Clock, systemClock } from '../../../runtime/clock.ts';
import { type FoundFile, foundFile, type RealFolder } from '../../model/found-file.ts';
import { closeFile, fstat, openToRead } from './file-io.ts';
import { isSameFolder, realFolder } from './real-folder.ts';

/** Descriptors left for connections, the state, folders and whatever else the process opens. */
const RESERVE = 128;
/** What an idle agent has open: Node's own descriptors, the state, connections. */
const RESERVE_MIN = 36;
const OPEN_FILES_MIN = 2;
/** How long a file with unread bytes stays open while others wait. */
const TURN_MS = 1_000;

/** Holds an open file. */
export interface FileHolder {
  /**
   * All of the file is acknowledged, and it has a path: to close it costs only to open it again.
   */
  readonly isIdle: boolean;
  /** The file has a path and no unanswered batches: it can be closed and read later. */
  readonly canYield: boolean;
  /** Closes the file. */
  release(): void;
}

/** A deleted file that is held open for its unread bytes. Its disk space is not free. */
export interface PinnedFile {
  readonly size: number;
  /** It is being read at this moment. */
  readonly isInUse: boolean;
  /** Closes the file and reports the loss. */
  giveUp(): void;
}

/** The limit on open files is reached, and none can be closed now. */
export class BudgetError extends Error {}

/**
 * Bounds how many files are open at once, and how much disk space deleted ones hold. At the limit,
 * the file that was idle longest is closed for the next one. If none is idle, files take turns.
 * A file without a path is never closed for that: it could not be opened again.
 */
export class FileBudget {
  readonly #max: number;
  readonly #pinnedBytesMax: number;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  /** When each opened its file, monotonic. Sorted by last use, the most recent one last. */
  readonly #holders = new Map<FileHolder, number>();
  readonly #waiting = new Set<() => void>();
  readonly #pinned = new Set<PinnedFile>();
  #open = 0;
  /** The folder of the last file, which thousands of files may share as one object. */
  #folder: RealFolder | undefined;

  constructor(max: number, pinnedBytesMax = Number.POSITIVE_INFINITY, clock: Pick<Clock, 'monotonicMs'> = systemClock) {
    this.#max = max;
    this.#pinnedBytesMax = pinnedBytesMax;
    this.#clock = clock;
  }

  /**
   * Opens a file for reading and returns it as found. `isLocal`: whether its path is on a local
   * file system. Rejects with BudgetError at the limit, with the system's error, or if it is not a
   * regular file.
   */
  async open(path: string, isLocal = false): Promise<{ fd: number; file: FoundFile }> {
    this.#reserve();
    let fd: number | undefined;
    try {
      fd = await openToRead(path, isLocal);
      const file = foundFile(path, await fstat(fd));
      if (file) return { fd, file: { ...file, folder: await this.#folderOf(fd) } };
      throw new Error('is no longer a regular file');
    } catch (error) {
      if (fd === undefined) this.#release();
      else this.close(fd);
      throw error;
    }
  }

  async #folderOf(fd: number): Promise<RealFolder | undefined> {
    const folder = await realFolder(fd);
    if (!isSameFolder(folder, this.#folder)) this.#folder = folder;
    return this.#folder;
  }

  /** Closes a file that was opened here. */
  close(fd: number): void {
    closeFile(fd);
    this.#release();
  }

  /** Notes that `holder` has an open file and uses it. */
  markUsed(holder: FileHolder): void {
    const openedMs = this.#holders.get(holder) ?? this.#clock.monotonicMs();
    this.#holders.delete(holder);
    this.#holders.set(holder, openedMs);
  }

  /** Notes that `holder` closed its file. */
  forget(holder: FileHolder): void {
    this.#holders.delete(holder);
  }

  /** Notes that a holder may have become idle. */
  holderMayBeIdle(): void {
    if (this.#waiting.size > 0) this.#wakeOne();
  }

  /** Calls `wake` once, when a file may be opened. Waiting callers are called in order. */
  awaitTurn(wake: () => void): void {
    this.#waiting.add(wake);
  }

  /** Stops waiting. False: `wake` was already called. */
  leaveQueue(wake: () => void): boolean {
    return this.#waiting.delete(wake);
  }

  /** Whether a file must be closed before another can be opened. */
  get isFull(): boolean {
    return this.#open >= this.#max;
  }

  pin(pinned: PinnedFile): void {
    this.#pinned.add(pinned);
  }

  unpin(pinned: PinnedFile): void {
    this.#pinned.delete(pinned);
  }

  /** The disk space that deleted files hold, bytes. */
  get pinnedBytes(): number {
    return [...this.#pinned].reduce((sum, { size }) => sum + size, 0);
  }

  /** How many more bytes deleted files may hold. */
  get pinnedBytesLeft(): number {
    return this.#pinnedBytesMax - this.pinnedBytes;
  }

  /**
   * Gives up the oldest deleted files until the rest holds at most the disk space allowed, and half
   * of the descriptors.
   */
  enforcePinnedLimit(): void {
    let bytes = this.pinnedBytes;
    for (const pinned of this.#pinned) {
      if (bytes <= this.#pinnedBytesMax && this.#pinned.size <= this.#max / 2) return;
      if (pinned.isInUse) continue;
      bytes -= pinned.size;
      this.#pinned.delete(pinned);
      pinned.giveUp();
    }
  }

  #reserve(): void {
    if (this.isFull && !this.#makeRoom()) {
      const remedy =
        'raise the limit (ulimit -n, or LimitNOFILE in the unit) and restart the agent, or collect fewer files';
      throw new BudgetError(
        `not opened yet: ${this.#open} files with unread lines are open, which is the limit of this process; the file waits for its turn. To avoid this, ${remedy}`,
      );
    }
    this.#open++;
  }

  #makeRoom(): boolean {
    const longAgoMs = this.#clock.monotonicMs() - TURN_MS;
    let yielding: FileHolder | undefined;
    for (const [holder, openedMs] of this.#holders) {
      if (holder.isIdle) return this.#close(holder);
      if (openedMs <= longAgoMs && holder.canYield) yielding ??= holder;
    }
    return yielding !== undefined && this.#close(yielding);
  }

  #close(holder: FileHolder): boolean {
    this.#holders.delete(holder);
    holder.release();
    return !this.isFull;
  }

  #release(): void {
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

/**
 * How many files may be open for reading. Node raises the soft limit (RLIMIT_NOFILE) to the hard
 * one.
 */
export function openFilesMax(): number {
  const limit = descriptorLimit();
  if (limit > 4 * RESERVE) return limit - RESERVE;
  return Math.max(OPEN_FILES_MIN, Math.min(Math.floor(limit / 2), limit - RESERVE_MIN));
}

/** RLIMIT_NOFILE; infinite if the system does not report it. */
export function descriptorLimit(): number {
  try {
    const [, soft = ''] = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return Number(soft) || Number.POSITIVE_INFINITY;
  } catch {
    // Not Linux: open(2) fails when the limit is reached.
    return Number.POSITIVE_INFINITY;
  }
}
