import { LineEncoder } from '../../encode/line-encoder.ts';
import { checksumOf } from '../../encode/record-batch.ts';
import type { Workbench } from '../../encode/work-pool.ts';
import type { IntentSegment } from '../../model/segment.ts';
import { readAt } from '../files/file-io.ts';
import { previousFormat } from './read-range.ts';

/** It has no state between calls. */
const encoder = new LineEncoder();

/**
 * Encodes a segment's bytes into the same records as before. Rejects if the file has other bytes
 * now.
 */
export async function encodeSegment(
  { fd, path }: { fd: number; path: string },
  segment: IntentSegment,
  { chunk, records, kernel }: Workbench,
): Promise<void> {
  const { start, end, generation } = segment;
  const { bytesRead } = await readAt(fd, chunk, 0, end - start, start);
  const bytes = chunk.subarray(0, bytesRead);
  if (bytesRead !== end - start || checksumOf(bytes) !== segment.checksum) {
    throw new Error(`${path}: the bytes from ${start} to ${end} have changed since they were read`);
  }
  const format = await previousFormat(fd, segment.format, { path, generation });
  encoder.encode(
    { ...segment, bytes, length: bytesRead, position: start, isLast: true, isFlushed: false },
    format,
    records,
    kernel,
  );
}
