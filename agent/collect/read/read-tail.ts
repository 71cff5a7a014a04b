import type { FileMarker } from '../../model/fingerprint.ts';
import { markerOf, readBefore } from '../files/file-head.ts';
import { READ_BEFORE_BYTES_MAX } from '../files/file-io.ts';

/**
 * The last bytes before the read position. A file that was truncated and has grown again has others
 * there.
 */
export class ReadTail {
  readonly #bytes = Buffer.allocUnsafeSlow(READ_BEFORE_BYTES_MAX);
  #length = 0;

  /** The bytes before `position`. undefined: the file is shorter, so it was truncated. */
  static async read(fd: number, position: number): Promise<ReadTail | undefined> {
    const before = await readBefore(fd, position, READ_BEFORE_BYTES_MAX);
    if (!before) return undefined;
    const tail = new ReadTail();
    tail.add(before);
    return tail;
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Whether it has as many bytes as it can have for a file that was read up to `position`. */
  isWhole(position: number): boolean {
    return this.#length === Math.min(position, READ_BEFORE_BYTES_MAX);
  }

  /** The marker of a file that was read up to `position`. */
  marker(position: number): FileMarker {
    return markerOf(this.bytes, position);
  }

  /** Adds bytes that were read. */
  add(bytes: Buffer): void {
    const kept = Math.min(this.#length, Math.max(0, READ_BEFORE_BYTES_MAX - bytes.length));
    this.#bytes.copyWithin(0, this.#length - kept, this.#length);
    this.#length = kept + bytes.copy(this.#bytes, kept, Math.max(0, bytes.length - READ_BEFORE_BYTES_MAX));
  }
}
