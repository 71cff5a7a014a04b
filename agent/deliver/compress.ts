import { promisify } from 'node:util';
import { gzip, zstdCompress } from 'node:zlib';
import { compress as lz4Block } from 'lz4-napi';
import { compress as snappy } from 'snappy';
import type { Compression } from './record-batch.ts';

const gzipAsync = promisify(gzip);
const zstdAsync = promisify(zstdCompress);

/**
 * Compresses the records of one batch on libuv's thread pool. The input must stay untouched until the promise settles; the
 * output, in pieces to be written one after the other, is the caller's. `none` copies, so that the input can be used again.
 */
export async function compress(records: Buffer, compression: Compression): Promise<Uint8Array[]> {
  switch (compression) {
    case 'none':
      return [Buffer.from(records)];
    case 'gzip':
      return [await gzipAsync(records)];
    case 'snappy':
      return [await snappy(records)];
    case 'lz4':
      return lz4Frame(records, await lz4Block(records));
    case 'zstd':
      return [await zstdAsync(records)];
  }
}

/*
 * LZ4 frame (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md), as Kafka reads it (KIP-57: independent blocks):
 *
 *   magic uint32 | FLG 0x60: version 1, independent blocks, no checksums | BD 0x60: blocks of up to 1 MiB | HC: checksum of both
 *   blockSize uint32, its highest bit set when the block is not compressed | block
 *   endMark uint32 = 0
 *
 * A batch's records fit into one block. A third faster than the package's own frames, and nothing is copied: the package puts the
 * block's raw size in four bytes before it, which is where the frame has its compressed size.
 */
const FRAME_HEAD = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x60, 0x51]);
const END_MARK = Buffer.alloc(4);
const SIZE_BYTES = 4;
const NOT_COMPRESSED = 0x8000_0000;
const BLOCK_BYTES_MAX = 1024 * 1024;

function lz4Frame(records: Buffer, sizeAndBlock: Buffer): Uint8Array[] {
  if (records.length > BLOCK_BYTES_MAX) throw new RangeError(`${records.length} bytes do not fit into one block`);
  const blockBytes = sizeAndBlock.length - SIZE_BYTES;
  if (blockBytes < records.length) {
    sizeAndBlock.writeUInt32LE(blockBytes, 0);
    return [FRAME_HEAD, sizeAndBlock, END_MARK];
  }
  const size = Buffer.alloc(SIZE_BYTES);
  size.writeUInt32LE(NOT_COMPRESSED + records.length, 0);
  return [FRAME_HEAD, size, Buffer.from(records), END_MARK];
}
