import { type Fingerprint, type Observation, settledCtimeNs } from '../../model/fingerprint.ts';
import { birthMsOf, ctimeNsOf, fileSizeOf } from '../../model/found-file.ts';
import { archiveFormatOf } from './archive-format.ts';
import { compareHead, hasMarker, readLastLinesMarker } from './file-head.ts';
import { fstat } from './file-io.ts';
import { writtenEndBefore } from './written-end.ts';

/**
 * Observes an open file of which `read` bytes were read. Returns undefined if it holds another
 * generation than `known`. What is new is read before what is known is compared, so a file that is
 * rewritten meanwhile is not taken for the known one. `wallMs`: the time now, ms since the epoch.
 */
export async function observeFile(
  fd: number,
  known: Fingerprint,
  read: number,
  wallMs: number,
): Promise<Observation | undefined> {
  const stat = await fstat(fd);
  const fileSize = fileSizeOf(stat);
  const size = fileSize > read ? Math.max(read, await writtenEndBefore(fd, fileSize)) : fileSize;
  const [last] = known.markers;
  const marker = size > Math.max(read, last?.end ?? 0) ? await readLastLinesMarker(fd, size) : undefined;
  const head = await compareHead(fd, known.head, read);
  if (!head || size < read || (last && !(await hasMarker(fd, last)))) return undefined;
  return {
    head,
    marker,
    size,
    ctimeNs: settledCtimeNs(ctimeNsOf(stat), wallMs),
    birthMs: birthMsOf(stat),
    unlinked: stat.nlink === 0n,
    isArchive: known.head.bytes === 0 && head.bytes > 0 && (await archiveFormatOf(fd)) !== undefined,
  };
}
