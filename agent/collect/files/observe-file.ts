import { type Fingerprint, knownBirthMs, type Observation, settledCtimeNs } from '../../model/fingerprint.ts';
import { compareHead, hasMarker, isCompressed, readMarker } from './file-head.ts';
import { fstat } from './file-io.ts';

/**
 * Looks at an open file of which `read` bytes were read, and `acknowledged` ones are in Kafka: what it is now, or undefined when it has begun
 * another life since `known`. Its marker is taken anew, and the former one is compared after that: a file that was written anew meanwhile
 * is not taken for the former one. `wallMs` is the time now.
 */
export async function observeFile(
  fd: number,
  known: Fingerprint,
  { read, acknowledged }: { read: number; acknowledged: number },
  wallMs: number,
): Promise<Observation | undefined> {
  const marker = known.marker.end === acknowledged ? known.marker : await readMarker(fd, acknowledged);
  const head = await compareHead(fd, known.head);
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
