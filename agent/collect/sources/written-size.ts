import type { UnwrittenTail } from '../read/unwritten-bytes.ts';

const POLL_MIN_MS = 100;
const POLL_MAX_MS = 2_000;

/**
 * How far a file is written. A preallocated file is larger, and writes into it through a memory map
 * change neither its size nor, for long, its ctime: only its bytes show where its unwritten end
 * begins. So it must be looked at again and again.
 */
export class WrittenSize {
  #written: number;
  #fileSize: number;
  #isInDoubt = false;

  constructor(written: number) {
    this.#written = written;
    this.#fileSize = written;
  }

  /** As far as it is known. */
  get value(): number {
    return this.#written;
  }

  /** With the unwritten end. */
  get fileSize(): number {
    return this.#fileSize;
  }

  get hasUnwrittenEnd(): boolean {
    return this.#written < this.#fileSize;
  }

  /** The unwritten end may have been written to since it was looked at. */
  get isInDoubt(): boolean {
    return this.#isInDoubt;
  }

  doubt(): void {
    this.#isInDoubt = this.hasUnwrittenEnd;
  }

  /** At least `size` bytes are written. Returns by how many more than before. */
  growTo(size: number): number {
    const grown = Math.max(0, size - this.#written);
    this.#written += grown;
    this.#fileSize = Math.max(this.#fileSize, size);
    return grown;
  }

  /**
   * An observation found these sizes. `written` undefined: the unwritten end was too large to be
   * searched, so what a read found counts. Returns how many more bytes are written than before.
   */
  noteObserved(written: number | undefined, fileSize: number): number {
    const before = this.#written;
    const isKnown = this.hasUnwrittenEnd && before <= fileSize;
    this.#written = written ?? (isKnown ? this.#written : fileSize);
    this.#fileSize = fileSize;
    this.#isInDoubt = written === undefined && this.hasUnwrittenEnd;
    return this.#written - before;
  }

  /** A read at the end of what was read found this tail, or none. */
  noteTail(tail: UnwrittenTail | undefined): void {
    this.#isInDoubt = false;
    if (!tail) return;
    this.#written = tail.from;
    this.#fileSize = Math.max(this.#fileSize, tail.to);
  }
}

/** When to look again at an unwritten end that has not moved for `quietMs`, ms. */
export function pollMs(quietMs: number): number {
  return Math.min(POLL_MAX_MS, Math.max(POLL_MIN_MS, quietMs));
}
