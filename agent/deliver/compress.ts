import { promisify } from 'node:util';
import { gzip, zstdCompress } from 'node:zlib';
import { compressFrame } from 'lz4-napi';
import { compress as snappy } from 'snappy';
import type { Compression } from './record-batch.ts';

const gzipAsync = promisify(gzip);
const zstdAsync = promisify(zstdCompress);

/**
 * Compresses the records of one batch on libuv's thread pool. The input must stay untouched until the promise settles; the
 * output is the caller's. `none` copies, so that the input can be used again.
 */
export function compress(records: Buffer, compression: Compression): Promise<Uint8Array> {
  switch (compression) {
    case 'none':
      return Promise.resolve(Buffer.from(records));
    case 'gzip':
      return gzipAsync(records);
    case 'snappy':
      return snappy(records);
    case 'lz4':
      // Kafka reads LZ4 frames of independent blocks (KIP-57); that is what the package's frame format writes.
      return compressFrame(records);
    case 'zstd':
      return zstdAsync(records);
  }
}
