import { promisify } from 'node:util';
import { gzip, zstdCompress } from 'node:zlib';
import { compress as snappy } from 'snappy';
import type { Compression } from './record-batch.ts';
import type { Workbench } from './work-pool.ts';

const gzipAsync = promisify(gzip);
const zstdAsync = promisify(zstdCompress);

/**
 * Compresses the records of one batch; the output, in pieces to be written one after the other, is the caller's. LZ4 at once: that costs
 * less than a way to the thread pool and back with a copy (docs/decisions/0011). The others on libuv's thread pool: then the input must stay
 * untouched until the promise settles. `none` copies, so that the input can be used again.
 */
export async function compress({ records, kernel }: Workbench, compression: Compression): Promise<Uint8Array[]> {
  const bytes = records.view();
  switch (compression) {
    case 'none':
      return [Buffer.from(bytes)];
    case 'gzip':
      return [await gzipAsync(bytes)];
    case 'snappy':
      return [await snappy(bytes)];
    case 'lz4':
      return [Buffer.from(kernel.lz4Frame(bytes))];
    case 'zstd':
      return [await zstdAsync(bytes)];
  }
}
