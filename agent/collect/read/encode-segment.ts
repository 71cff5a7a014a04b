import { LineEncoder } from '../../encode/line-encoder.ts';
import { checksumOf } from '../../encode/record-batch.ts';
import type { Workbench } from '../../encode/work-pool.ts';
import type { IntentSegment } from '../../model/segment.ts';
import { readAt } from '../files/file-io.ts';
import { formatBefore } from './read-range.ts';

/** It keeps nothing from one call to the next. */
const encoder = new LineEncoder();

/** Encodes the lines of a segment as they were encoded before, of the same bytes. Rejects when they are not there any more. */
export async function encodeSegment(
  { fd, path }: { fd: number; path: string },
  segment: IntentSegment,
  { chunk, records, kernel }: Workbench,
): Promise<void> {
  const { start, end, generation } = segment;
  const { bytesRead } = await readAt(fd, chunk, 0, end - start, start);
  const bytes = chunk.subarray(0, bytesRead);
  if (bytesRead !== end - start || checksumOf(bytes) !== segment.checksum) {
    throw new Error(`${path}: the bytes from ${start} to ${end} are not the same any more`);
  }
  const format = await formatBefore(fd, segment.format, { path, generation });
  encoder.encode(
    { ...segment, bytes, length: bytesRead, position: start, isLast: true, isFlushed: false },
    format,
    records,
    kernel,
  );
}
