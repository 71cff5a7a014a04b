import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gzip, zstdCompress } from 'node:zlib';
import type { Compression } from '../../proto/rules/line-words.ts';
import type { Workbench } from './work-pool.ts';

const gzipAsync = promisify(gzip);
const zstdAsync = promisify(zstdCompress);

/**
 * Compresses the records of one batch; the output, in pieces to be written one after the other, is the caller's. The input must stay
 * untouched until the promise settles. LZ4 by this thread: that costs less than a way to the thread pool and back with a copy
 * (docs/decisions/0011); the others on libuv's thread pool. `none` copies, so that the input can be used again.
 */
export async function compress({ records, kernel }: Workbench, compression: Compression): Promise<Uint8Array[]> {
  const bytes = records.view();
  switch (compression) {
    case 'none':
      return [Buffer.from(bytes)];
    case 'gzip':
      return [await gzipAsync(bytes)];
    case 'snappy':
      return [await (await import('snappy')).compress(bytes)];
    case 'lz4':
      // The next chunk's reading begins first: the thread pool is at it meanwhile.
      await setImmediate();
      return [Buffer.from(kernel.lz4Frame(bytes))];
    case 'zstd':
      return [await zstdAsync(bytes)];
  }
}
