import { kernelCode } from './gen/kernel-code.ts';
import type { RecordBuffer } from './record-buffer.ts';
import type { HeaderTemplate } from './record-headers.ts';

/** kernel.as, which says what its functions do. */
interface Exports {
  writeLines(
    bytes: number,
    length: number,
    at: number,
    end: number,
    position: number,
    rangeStart: number,
    lineBytesMax: number,
    records: number,
    recordsLength: number,
    recordsMax: number,
    firstMax: number,
    count: number,
    headers: number,
    headersLength: number,
  ): number;
  writeLz4Frame(from: number, length: number, to: number, table: number): number;
}

/** What of WebAssembly is used: Node's types don't have it. */
declare const WebAssembly: {
  Memory: new (pages: { initial: number; maximum: number }) => { buffer: ArrayBuffer };
  Module: new (code: Uint8Array) => object;
  Instance: new (module: object, imports: { env: { memory: object } }) => { exports: object };
};

/** Where the lines of a chunk are, and from where on they are to be written. */
export interface LineRun {
  chunk: Buffer;
  at: number;
  /** Where the record before ended. */
  end: number;
  /** Of the chunk's first byte, in its generation. */
  position: number;
  rangeStart: number;
  lineBytesMax: number;
}

const PAGE_BYTES = 65_536;
/** What the kernel reads and writes behind the end of what it is given. */
const SLACK_BYTES = 64;
/** The kernel's variables are at the beginning. */
const VARIABLES_BYTES = 64;
const TABLE_BYTES = 4 << 12;
/** Longer headers, of a very long path, are written without the kernel. */
const HEADERS_BYTES_MAX = 32 * 1024;
const REACHED_AT = 32;
const FRAME_BYTES = 19;

/**
 * The hot path's inner loops, and the memory that they work on: WebAssembly, three times as fast as the same in JavaScript, for the calls to
 * find and to copy cost more than the finding and copying of a line (docs/decisions/0011). One call at a time.
 */
export class RecordKernel {
  readonly #memory: ArrayBuffer;
  readonly #exports: Exports;
  readonly #reached: Uint32Array;
  readonly #headers: Buffer;
  readonly #frame: Buffer;
  #loaded: HeaderTemplate | undefined;
  #free = VARIABLES_BYTES + TABLE_BYTES;

  /** With room for regions of `bytes` together, in `regions` pieces, and for frames of records of `frameBytes` at most. */
  constructor(bytes: number, regions: number, frameBytes: number) {
    const frameRoom = frameBytes + Math.ceil(frameBytes / 255) + FRAME_BYTES + SLACK_BYTES;
    const all = this.#free + HEADERS_BYTES_MAX + frameRoom + bytes + (regions + 2) * 2 * SLACK_BYTES;
    const pages = Math.ceil(all / PAGE_BYTES);
    // It never grows, so what was taken of it stays valid.
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const { exports } = new WebAssembly.Instance(compiled(), { env: { memory } });
    this.#memory = memory.buffer;
    this.#exports = exports as Exports;
    this.#reached = new Uint32Array(memory.buffer, REACHED_AT, 2);
    this.#headers = this.region(HEADERS_BYTES_MAX);
    this.#frame = this.region(frameRoom);
  }

  /** A piece of the memory, which is not given back. */
  region(bytes: number): Buffer {
    const at = this.#free;
    this.#free = Math.ceil((at + bytes + SLACK_BYTES) / SLACK_BYTES) * SLACK_BYTES;
    return Buffer.from(this.#memory, at, bytes);
  }

  /** Whether the kernel can take lines out of `chunk` and give each of them these headers. */
  takes(chunk: Buffer, headers: HeaderTemplate | undefined): boolean {
    return chunk.buffer === this.#memory && (headers === undefined || fits(headers));
  }

  /** Where in its chunk the last run ended. */
  get reached(): number {
    return this.#reached[0] as number;
  }

  /**
   * Writes the records of the whole lines of `run` behind those that are there, until one has no room, is longer than allowed or has no end.
   * Returns how many.
   */
  writeLines(run: LineRun, headers: HeaderTemplate | undefined, into: RecordBuffer): number {
    const { chunk, at, end, position, rangeStart, lineBytesMax } = run;
    const headersLength = headers ? this.#load(headers) : 0;
    const written = this.#exports.writeLines(
      chunk.byteOffset,
      chunk.length,
      at,
      end,
      position,
      rangeStart,
      lineBytesMax,
      into.bytes.byteOffset,
      into.length,
      into.bytesMax,
      into.bytes.length,
      into.recordCount,
      this.#headers.byteOffset,
      headersLength,
    );
    if (written > 0) into.append(this.#reached[1] as number, written);
    return written;
  }

  /** The LZ4 frame of `records`, a region; valid until the next call. */
  lz4Frame(records: Buffer): Buffer {
    const length = this.#exports.writeLz4Frame(
      records.byteOffset,
      records.length,
      this.#frame.byteOffset,
      VARIABLES_BYTES,
    );
    return this.#frame.subarray(0, length);
  }

  #load(headers: HeaderTemplate): number {
    if (headers !== this.#loaded) headers.before.copy(this.#headers);
    this.#loaded = headers;
    return headers.before.length;
  }
}

/** Of records without flags nothing comes behind the range. */
function fits({ before, after }: HeaderTemplate): boolean {
  return after.length === 0 && before.length <= HEADERS_BYTES_MAX;
}

let module: object | undefined;

function compiled(): object {
  module ??= new WebAssembly.Module(Buffer.from(kernelCode, 'base64'));
  return module;
}
