import { type Fingerprint, knownBirthMs, type Observation, settledCtimeNs } from '../../model/fingerprint.ts';
import { compareHead, hasMarker, isCompressed, readMarker } from './file-head.ts';
import { fstat } from './file-io.ts';

/**
 * Observes an open file of which `read` bytes were read and `acknowledged` bytes are in Kafka.
 * Returns undefined if it holds another generation than `known`. The new marker is read before the
 * known one is compared, so a file that is rewritten meanwhile is not taken for the known one.
 * `wallMs`: the time now, ms since the epoch.
 */
export async function observeFile(
  fd: number,
  known: Fingerprint,
  { read, acknowledged }: { read: number; acknowledged: number },
  wallMs: number,
): Promise<Observation | undefined> {
  const marker = known.marker.end === acknowledged ? known.marker : await readMarker(fd, acknowledged);
  const head = await compareHead(fd, known.head, read);
  if (!marker || !head || !(await hasMarker(fd, known.marker))) return undefined;
  const stat = await fstat(fd);
  if (stat.size < read) return undefined;
  return {
    head,
    marker,
    size: Number(stat.size),
    ctimeNs: settledCtimeNs(stat.ctimeNs, wallMs),
    birthMs: knownBirthMs({ birthMs: Number(stat.birthtimeMs), ctimeNs: stat.ctimeNs }),
    unlinked: stat.nlink === 0n,
    compressed: known.head.bytes === 0 && head.bytes > 0 && (await isCompressed(fd)),
  };
}
