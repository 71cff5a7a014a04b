import type { UnwrittenTail } from '../read/unwritten-bytes.ts';

/**
 * How far a file is written. A preallocated file is larger, and writes into it do not change its
 * size: only a read shows where its unwritten tail begins.
 */
export class WrittenSize {
  #fileSize: number;
  #tail: UnwrittenTail | undefined;
  #isInDoubt = false;
  /** Where the tail began that was found last. */
  #tailFrom = -1;

  constructor(fileSize: number) {
    this.#fileSize = fileSize;
  }

  /** As far as it is known. */
  get value(): number {
    return this.#tail && this.#fileSize <= this.#tail.to ? this.#tail.from : this.#fileSize;
  }

  /** With the unwritten tail. */
  get fileSize(): number {
    return this.#fileSize;
  }

  /** The tail may have been written to since it was read. */
  get isInDoubt(): boolean {
    return this.#isInDoubt;
  }

  setFileSize(size: number): void {
    this.#fileSize = size;
  }

  doubt(): void {
    this.#isInDoubt = this.#tail !== undefined;
  }

  /** A read found this tail, or none. Returns whether the tail begins elsewhere than before. */
  noteTail(tail: UnwrittenTail | undefined): boolean {
    [this.#tail, this.#isInDoubt] = [tail, false];
    if (!tail || tail.from === this.#tailFrom) return false;
    this.#tailFrom = tail.from;
    return true;
  }
}
