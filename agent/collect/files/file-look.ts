import { birthOf } from '../sources/known-files.ts';
import { compareHead, type FileHead, type FileMarker, hasMarker, isCompressed, readMarker } from './file-head.ts';
import { fstat } from './file-io.ts';

/** What tells one life of a file from another. */
export interface Life {
  head: FileHead;
  marker: FileMarker;
}

export interface Look extends Life {
  size: number;
  /** 0: it may change again without a new time. */
  touchedNs: bigint;
  /** 0: not known. */
  bornMs: number;
  unlinked: boolean;
  /** It had no bytes before, and has those of an archive now. */
  compressed: boolean;
}

/** Some file systems stamp changes by the second, or by two. */
const STAMP_GRAIN_MS = 2_000;

/**
 * Looks at an open file of which `read` bytes were read, and `acknowledged` ones are in Kafka: what it is now, or undefined when it has begun
 * another life since `known`. Its marker is taken anew, and the former one is compared after that: a file that was written anew meanwhile
 * is not taken for the former one. `wallMs` is the time now.
 */
export async function lookAt(
  fd: number,
  known: Life,
  { read, acknowledged }: { read: number; acknowledged: number },
  wallMs: number,
): Promise<Look | undefined> {
  const marker = known.marker.end === acknowledged ? known.marker : await readMarker(fd, acknowledged);
  const head = await compareHead(fd, known.head);
  if (!marker || !head || !(await hasMarker(fd, known.marker))) return undefined;
  const stat = await fstat(fd);
  if (stat.size < read) return undefined;
  return {
    head,
    marker,
    size: Number(stat.size),
    touchedNs: stampOf(stat.ctimeNs, wallMs),
    bornMs: birthOf({ bornMs: Number(stat.birthtimeMs), touchedNs: stat.ctimeNs }),
    unlinked: stat.nlink === 0n,
    compressed: known.head.bytes === 0 && head.bytes > 0 && (await isCompressed(fd)),
  };
}

/** The time of a file's last change, when its next one can't have the same; else 0. */
export function stampOf(touchedNs: bigint, wallMs: number): bigint {
  return wallMs - Number(touchedNs / 1_000_000n) > STAMP_GRAIN_MS ? touchedNs : 0n;
}

/** Whether a file that was found is not as it was when it was last looked at. */
export function hasChanged(known: Pick<Look, 'size' | 'touchedNs'>, found: Pick<Look, 'size' | 'touchedNs'>): boolean {
  return found.touchedNs !== known.touchedNs || found.size !== known.size;
}
