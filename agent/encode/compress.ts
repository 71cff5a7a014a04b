import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gzip, zstdCompress } from 'node:zlib';
import type { Compression } from '../../proto/rules/line-words.ts';
import type { Workbench } from './work-pool.ts';

const gzipAsync = promisify(gzip);
const zstdAsync = promisify(zstdCompress);

/**
 * Compresses the records of one batch. The caller owns the output: pieces to be written in order.
 * The input must not change until the promise settles. LZ4 runs on this thread, which costs less
 * than a hop to the thread pool with a copy (docs/decisions/0011); the others run on libuv's thread
 * pool. `none` copies the input, so that its buffer can be reused.
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
      // Let the read of the next chunk begin first: it runs on the thread pool meanwhile.
      await setImmediate();
      return [Buffer.from(kernel.lz4Frame(bytes))];
    case 'zstd':
      return [await zstdAsync(bytes)];
  }
}
