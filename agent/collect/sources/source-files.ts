import { fstatSync } from 'node:fs';
import type { Clock } from '../../../runtime/clock.ts';
import { errorCode } from '../../../runtime/errors.ts';
import { fileKey, type OpenFile } from '../../model/found-file.ts';
import { BudgetError, type FileBudget, type FileHolder } from '../files/file-budget.ts';
import { isLocal, NOT_OPEN } from '../files/file-io.ts';
import { withWritten } from '../files/written-end.ts';
import { hasBirth } from './known-files.ts';
import type { Source } from './source.ts';

/** How long a scan waits, once, for another file to be closed. */
const OPEN_WAIT_MS = 1_000;

/** The descriptors of one entry's sources. At the limit, files that are idle are closed. */
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

  /** Nothing can be opened unless something is closed. */
  get areFull(): boolean {
    return this.#budget.isFull;
  }

  /** A scan begins: it may wait for a descriptor again. */
  scanBegins(): void {
    this.#waitedInVain = false;
  }

  /**
   * Opens a file that no source has. At the limit it waits, but only once in a scan if that was in
   * vain. Rejects as FileBudget.open does.
   */
  async open(path: string, isLocal = false): Promise<{ fd: number; file: OpenFile }> {
    for (;;) {
      try {
        const { fd, file } = await this.#budget.open(path, isLocal);
        try {
          return { fd, file: await withWritten(fd, file) };
        } catch (error) {
          this.closeUnread(fd);
          throw error;
        }
      } catch (error) {
        if (!(error instanceof BudgetError) || this.#waitedInVain) throw error;
        this.#waitedInVain = !(await this.#turn());
      }
    }
  }

  /** The source's file is open, and it was opened or has changed just now. */
  markUsed(source: Source): void {
    let holder = this.#holders.get(source);
    if (!holder) {
      holder = new OpenSource(source, this);
      this.#holders.set(source, holder);
    }
    this.#budget.markUsed(holder);
  }

  /**
   * Opens the source's file again. false: it must wait, or another file has its path. Rejects with
   * the system's error.
   */
  reopen(source: Source): Promise<boolean> {
    let opening = this.#opening.get(source);
    if (!opening) {
      opening = this.#reopen(source).finally(() => this.#opening.delete(source));
      this.#opening.set(source, opening);
    }
    return opening;
  }

  /** Closes a file that no source has. */
  closeUnread(fd: number): void {
    this.#budget.close(fd);
  }

  /** A segment of the source was acknowledged: its file may be idle, so another can be opened. */
  mayBeIdle(source: Source): void {
    if (this.#budget.isFull && source.complete) this.#budget.holderMayBeIdle();
  }

  /** Closes the source's file if it is open. */
  close(source: Source): void {
    const fd = this.detach(source);
    if (fd !== NOT_OPEN) this.#budget.close(fd);
  }

  /** Takes the descriptor from the source, so that another source can have it. */
  detach(source: Source): number {
    const wake = this.#wakes.get(source);
    if (wake) this.#budget.leaveQueue(wake);
    const holder = this.#holders.get(source);
    if (holder) this.#budget.forget(holder);
    this.#holders.delete(source);
    return source.file.detach();
  }

  /** Waits until a file may be opened. false: none could for long. */
  async #turn(): Promise<boolean> {
    const woken = new AbortController();
    const wake = () => woken.abort();
    this.#budget.awaitTurn(wake);
    await this.#clock.sleep(OPEN_WAIT_MS, woken.signal).catch(() => {});
    return !this.#budget.leaveQueue(wake);
  }

  async #reopen(source: Source): Promise<boolean> {
    if (source.file.isOpen) return true;
    try {
      const { fd, file } = await this.#budget.open(source.path);
      // If its path is gone meanwhile, the next scan finds that.
      const isSame = await hasBirth(file, source.file.birthMs).catch(() => false);
      if (file.key === fileKey(source.file) && !source.isClosed && !source.file.isOpen) {
        source.file.attach(fd, isSame ? undefined : file);
        this.markUsed(source);
        return true;
      }
      this.#budget.close(fd);
      return false;
    } catch (error) {
      if (error instanceof BudgetError) this.#budget.awaitTurn(this.#wakeOf(source));
      // If it was renamed or deleted, the next scan finds that.
      else if (errorCode(error) !== 'ENOENT') throw error;
      return false;
    }
  }

  /** The same function for each call, so that a source waits only once. */
  #wakeOf(source: Source): () => void {
    let wake = this.#wakes.get(source);
    if (!wake) {
      wake = () => source.wake();
      this.#wakes.set(source, wake);
    }
    return wake;
  }
}

/** A source as the holder of an open file. */
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
    return canYield(this.#source);
  }

  release(): void {
    this.#files.close(this.#source);
  }
}

/** The file has a path, and nothing of it is being read or sent. */
function canYield({ file, busy, settled }: Source): boolean {
  const { activity } = file.state;
  return file.isOpen && activity !== 'draining' && activity !== 'closed' && settled && !busy && !file.unlinked;
}

/**
 * All bytes are acknowledged. The descriptor decides, because the last observation may be seconds
 * old. On a file system whose calls may hang, the last observation counts.
 */
function isIdle(source: Source): boolean {
  if (!canYield(source) || !source.complete) return false;
  if (!isLocal(source.fd)) return true;
  try {
    const { size, nlink } = fstatSync(source.fd);
    return size <= source.turns.position && nlink > 0;
  } catch {
    // The next observation reports the error.
    return false;
  }
}
