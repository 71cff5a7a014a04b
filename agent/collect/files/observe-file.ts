import { type Fingerprint, type Observation, settledCtimeNs } from '../../model/fingerprint.ts';
import { birthMsOf, ctimeNsOf, fileSizeOf } from '../../model/found-file.ts';
import { archiveFormatOf } from './archive-format.ts';
import { compareHead, hasMarker, readLastLinesMarker } from './file-head.ts';
import { fstat } from './file-io.ts';
import { writtenEndBefore } from './written-end.ts';

/**
 * Observes an open file of which `read` bytes were read, and `written` bytes were written when it
 * was last observed. Returns undefined if it holds another generation than `known`. What is new is
 * read before what is known is compared, so a file that is rewritten meanwhile is not taken for the
 * known one. `wallMs`: the time now, ms since the epoch.
 */
export async function observeFile(
  fd: number,
  known: Fingerprint,
  { read, written: before }: { read: number; written: number },
  wallMs: number,
): Promise<Observation | undefined> {
  const stat = await fstat(fd);
  const size = fileSizeOf(stat);
  const written = size > read ? await writtenEndBefore(fd, size, before) : size;
  const [last] = known.markers;
  const hasMore = written !== undefined && written > Math.max(read, last?.end ?? 0);
  const marker = hasMore ? await readLastLinesMarker(fd, written) : undefined;
  const head = await compareHead(fd, known.head, read);
  if (!head || size < read || (last && !(await hasMarker(fd, last)))) return undefined;
  return {
    head,
    marker,
    size,
    written,
    ctimeNs: settledCtimeNs(ctimeNsOf(stat), wallMs),
    birthMs: birthMsOf(stat),
    unlinked: stat.nlink === 0n,
    isArchive: known.head.bytes === 0 && head.bytes > 0 && (await archiveFormatOf(fd)) !== undefined,
  };
}
