import { fstatSync } from 'node:fs';
import type { Clock } from '../../../runtime/clock.ts';
import { errorCode } from '../../../runtime/errors.ts';
import { fileKey } from '../../model/found-file.ts';
import { BudgetError, type FileBudget, type FileHolder } from '../files/file-budget.ts';
import { isLocal, NOT_OPEN } from '../files/file-io.ts';
import type { Source } from './source.ts';

/** How long a scan waits, once, for another file to be done with. */
const OPEN_WAIT_MS = 1_000;

/** The open files of one entry's sources: closed while they are idle, when others need to be open. */
export class SourceFiles {
  readonly #budget: FileBudget;
  readonly #clock: Clock;
  readonly #holders = new Map<Source, FileHolder>();
  readonly #opening = new Map<Source, Promise<boolean>>();
  readonly #wakes = new WeakMap<Source, () => void>();
  #waitedInVain = false;

  constructor(budget: FileBudget, clock: Clock) {
    this.#budget = budget;
    this.#clock = clock;
  }

  /** A scan begins: it may wait again. */
  scanBegins(): void {
    this.#waitedInVain = false;
  }

  /** Opens a file that is not known yet, after some time when there must be room first. Rejects as the budget does. */
  async open(path: string, isLocal = false): ReturnType<FileBudget['open']> {
    for (;;) {
      try {
        return await this.#budget.open(path, isLocal);
      } catch (error) {
        if (!(error instanceof BudgetError) || this.#waitedInVain) throw error;
        this.#waitedInVain = !(await this.#turn());
      }
    }
  }

  /** `source` has an open file, of which there is something new. */
  used(source: Source): void {
    let holder = this.#holders.get(source);
    if (!holder) {
      holder = new OpenSource(source, this);
      this.#holders.set(source, holder);
    }
    this.#budget.markUsed(holder);
  }

  /** Opens the file again; false when it must wait, or when another file is at its path. Rejects with the system's error. */
  reopen(source: Source): Promise<boolean> {
    let opening = this.#opening.get(source);
    if (!opening) {
      opening = this.#reopen(source).finally(() => this.#opening.delete(source));
      this.#opening.set(source, opening);
    }
    return opening;
  }

  /** Closes a file that nobody reads. */
  closeUnread(fd: number): void {
    this.#budget.close(fd);
  }

  /** Something of `source` was acknowledged: others may have its place. */
  mayBeIdle(source: Source): void {
    if (this.#budget.isFull && source.complete) this.#budget.holderMayBeIdle();
  }

  /** Closes the file, unless it is not open; `source` is not held any more. */
  close(source: Source): void {
    const fd = this.leave(source);
    if (fd !== NOT_OPEN) this.#budget.close(fd);
  }

  /** Takes the open descriptor from `source`, for another one. */
  leave(source: Source): number {
    this.#budget.leaveQueue(this.#wakeOf(source));
    const holder = this.#holders.get(source);
    if (holder) this.#budget.forget(holder);
    this.#holders.delete(source);
    const { fd } = source;
    source.fd = NOT_OPEN;
    return fd;
  }

  /** Waits for a file to be done with; false when none is for long. */
  async #turn(): Promise<boolean> {
    const woken = new AbortController();
    const wake = () => woken.abort();
    this.#budget.awaitTurn(wake);
    await this.#clock.sleep(OPEN_WAIT_MS, woken.signal).catch(() => {});
    return !this.#budget.leaveQueue(wake);
  }

  async #reopen(source: Source): Promise<boolean> {
    if (source.fd !== NOT_OPEN) return true;
    try {
      const { fd, file } = await this.#budget.open(source.path);
      if (file.key === fileKey(source) && source.state !== 'CLOSED') {
        source.fd = fd;
        this.used(source);
        return true;
      }
      this.#budget.close(fd);
      return false;
    } catch (error) {
      if (error instanceof BudgetError) this.#budget.awaitTurn(this.#wakeOf(source));
      // Renamed or deleted: the next scan finds out.
      else if (errorCode(error) !== 'ENOENT') throw error;
      return false;
    }
  }

  /** The same one for each source: it waits once. */
  #wakeOf(source: Source): () => void {
    let wake = this.#wakes.get(source);
    if (!wake) {
      wake = () => source.wake();
      this.#wakes.set(source, wake);
    }
    return wake;
  }
}

/** A source as one that holds an open file. */
class OpenSource implements FileHolder {
  readonly #source: Source;
  readonly #files: SourceFiles;

  constructor(source: Source, files: SourceFiles) {
    this.#source = source;
    this.#files = files;
  }

  get isIdle(): boolean {
    return isIdle(this.#source);
  }

  get canYield(): boolean {
    return mayClose(this.#source);
  }

  release(): void {
    this.#files.close(this.#source);
  }
}

/** Nothing of it is under way, and a path leads to it. */
function mayClose({ fd, state, busy, settled, unlinked }: Source): boolean {
  return fd !== NOT_OPEN && (state === 'READING' || state === 'PAUSED') && settled && !busy && !unlinked;
}

/** All that it has is in Kafka: as the open file itself says, for a look may be seconds ago. One whose file system may hang is not asked: the look counts. */
function isIdle(source: Source): boolean {
  if (!mayClose(source) || !source.complete) return false;
  if (!isLocal(source.fd)) return true;
  try {
    const { size, nlink } = fstatSync(source.fd);
    return size <= source.readPosition && nlink > 0;
  } catch {
    // The next look tells what is wrong with it.
    return false;
  }
}
