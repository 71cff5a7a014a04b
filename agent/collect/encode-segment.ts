import { type LineEncoder, lineFormat } from '../deliver/line-encoder.ts';
import { checksumOf } from '../deliver/record-batch.ts';
import type { Workbench } from '../deliver/work-pool.ts';
import type { IntentSegment } from '../state/intent-store.ts';
import { isInsideLine } from './file-head.ts';
import { readAt } from './file-io.ts';

/** Encodes the lines of a segment as they were encoded before, of the same bytes. Rejects when they are not there any more. */
export async function encodeSegment(
  file: { fd: number; path: string },
  segment: IntentSegment,
  encoder: LineEncoder,
  { chunk, records }: Workbench,
): Promise<void> {
  const { start, end, generation, endsInsideLine } = segment;
  const { bytesRead } = await readAt(file.fd, chunk, 0, end - start, start);
  const bytes = chunk.subarray(0, bytesRead);
  if (bytesRead !== end - start || checksumOf(bytes) !== segment.checksum) {
    throw new Error(`${file.path}: the bytes from ${start} to ${end} are not the same any more`);
  }
  const insideLine = await isInsideLine(file.fd, start);
  const format = lineFormat(JSON.parse(segment.format), { path: file.path, generation });
  encoder.encode(
    { bytes, length: bytesRead, position: start, last: true, insideLine, endsInsideLine },
    format,
    records,
  );
}
