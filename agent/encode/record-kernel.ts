import assert from 'node:assert/strict';
import { kernelCode } from './gen/kernel-code.ts';
import type { RecordBuffer } from './record-buffer.ts';
import type { HeaderTemplate } from './record-headers.ts';

/** The functions that kernel.as exports and describes. */
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

/** The parts of WebAssembly that are used. Node's types lack them. */
declare const WebAssembly: {
  Memory: new (pages: { initial: number; maximum: number }) => { buffer: ArrayBuffer };
  Module: new (code: Uint8Array) => object;
  Instance: new (module: object, imports: { env: { memory: object } }) => { exports: object };
};

/** A run of lines in a chunk. */
export interface LineRun {
  chunk: Buffer;
  /** Where the first line begins. */
  at: number;
  /** Where the previous record ended. */
  end: number;
  /** The position of the chunk's first byte in its generation. */
  position: number;
  rangeStart: number;
  lineBytesMax: number;
}

const PAGE_BYTES = 65_536;
/** The kernel reads and writes up to this far after the end of a region. */
const SLACK_BYTES = 64;
/** The kernel's variables lie at the start of the memory. */
const VARIABLES_BYTES = 64;
const TABLE_BYTES = 4 << 12;
/** Records with longer headers, from a very long path, are written without the kernel. */
const HEADERS_BYTES_MAX = 32 * 1024;
const RESULT_AT = 32;
const FRAME_BYTES = 19;

/**
 * The hot path's inner loops in WebAssembly, and the memory that they work on. Three times as fast
 * as JavaScript, where the calls to find and copy a line cost more than their work
 * (docs/decisions/0011). One call at a time.
 */
export class RecordKernel {
  readonly #memory: ArrayBuffer;
  readonly #exports: Exports;
  readonly #result: Uint32Array;
  readonly #headers: Buffer;
  readonly #frame: Buffer;
  #loaded: HeaderTemplate | undefined;
  #free = VARIABLES_BYTES + TABLE_BYTES;

  /**
   * Has room for `regions` regions of `bytes` together, and for frames of at most `frameBytes` of
   * records.
   */
  constructor(bytes: number, regions: number, frameBytes: number) {
    const frameRoom = frameBytes + Math.ceil(frameBytes / 255) + FRAME_BYTES + SLACK_BYTES;
    const all = this.#free + HEADERS_BYTES_MAX + frameRoom + bytes + (regions + 2) * 2 * SLACK_BYTES;
    const pages = Math.ceil(all / PAGE_BYTES);
    // The memory never grows, so its regions stay valid.
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const { exports } = new WebAssembly.Instance(compiled(), { env: { memory } });
    this.#memory = memory.buffer;
    this.#exports = exports as Exports;
    this.#result = new Uint32Array(memory.buffer, RESULT_AT, 2);
    this.#headers = this.region(HEADERS_BYTES_MAX);
    this.#frame = this.region(frameRoom);
  }

  /** Allocates a region of the memory. It can't be freed. */
  region(bytes: number): Buffer {
    const at = this.#free;
    this.#free = Math.ceil((at + bytes + SLACK_BYTES) / SLACK_BYTES) * SLACK_BYTES;
    return Buffer.from(this.#memory, at, bytes);
  }

  /** Whether the kernel can encode lines of `chunk` with these headers. */
  canEncode(chunk: Buffer, headers: HeaderTemplate | undefined): boolean {
    return chunk.buffer === this.#memory && (headers === undefined || fits(headers));
  }

  /** Where the last run ended in its chunk. */
  get lastRunEnd(): number {
    return this.#result[0] as number;
  }

  /**
   * Appends records of the complete lines of `run`, until a line has no room, is too long, begins
   * with NUL or has no end. Returns the number of records.
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
    const recordsEnd = this.#result[1] as number;
    assert(recordsEnd <= into.bytes.length && this.lastRunEnd <= chunk.length, 'the kernel left its regions');
    if (written > 0) into.append(recordsEnd, written);
    return written;
  }

  /** The LZ4 frame of `records`, which lie in a region. Valid until the next call. */
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

/** Records without flags have nothing after the range. */
function fits({ before, after }: HeaderTemplate): boolean {
  return after.length === 0 && before.length <= HEADERS_BYTES_MAX;
}

let module: object | undefined;

function compiled(): object {
  module ??= new WebAssembly.Module(Buffer.from(kernelCode, 'base64'));
  return module;
}
