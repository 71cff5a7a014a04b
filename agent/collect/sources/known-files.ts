import { type Checkpoint, isComplete } from '../../model/checkpoint.ts';
import { type FileHead, hasBytes } from '../../model/fingerprint.ts';
import { type FoundFile, fileKey } from '../../model/found-file.ts';
import { compareHead, hasMarker } from '../files/file-head.ts';
import { keepsBirth } from '../files/file-systems.ts';
import { isSameFolder } from '../files/real-folder.ts';
import type { Source } from './source.ts';
import type { SourceRegistry } from './source-registry.ts';

/** What an open file shows about the known generations with its inode. */
export interface KnownMatch {
  /** The generation that it holds, with its present head, device and folder. */
  known: Checkpoint | undefined;
  /** The state database has `known` as it is. */
  stored: boolean;
  /** Generations that it held before: their content no longer exists. */
  overwritten: readonly Checkpoint[];
}

/**
 * Takes the generation that an open file holds out of the registry, and those that it held before.
 * Rejects, and takes none, if the file can't be read.
 */
export async function takeKnown(fd: number, file: FoundFile, registry: SourceRegistry): Promise<KnownMatch> {
  let known: Checkpoint | undefined;
  let stored = false;
  let overwritten: Checkpoint[] = [];
  for (const checkpoint of registry.knownWithInodeOf(file)) {
    const isHere = checkpoint.device === file.device;
    const head = known ? undefined : await headIfSame(fd, file, checkpoint);
    if (head && (isHere || hasBytes(checkpoint))) {
      const { device, birthMs, folder = checkpoint.folder } = file;
      const isSame = birthMs === checkpoint.birthMs && isSameFolder(folder, checkpoint.folder);
      stored = isHere && head === checkpoint.head && isSame;
      known = stored ? checkpoint : { ...checkpoint, device, birthMs, head, folder };
      registry.deviceFound(checkpoint.device, file.device);
    } else if (isHere) overwritten.push(checkpoint);
  }
  // Another caller may have taken them while the file was read.
  if (known && !registry.isKnown(known)) known = undefined;
  overwritten = overwritten.filter((checkpoint) => registry.isKnown(checkpoint));
  if (known) registry.removeKnown(known);
  for (const checkpoint of overwritten) registry.removeKnown(checkpoint);
  return { known, stored, overwritten };
}

/**
 * The generation that an open file holds, if the file was not found before and that is not recorded
 * yet. Rejects if the file can't be read.
 */
export async function findReturned(fd: number, file: FoundFile, registry: SourceRegistry): Promise<Source | undefined> {
  const isEnded = (source: Source) => registry.endingOf(source)?.reason === 'vanished';
  for (const source of registry.ended) {
    if (!isEnded(source) || fileKey(source.file) !== file.key) continue;
    if ((await headIfSame(fd, file, source.file.checkpoint)) && isEnded(source)) return source;
  }
  return undefined;
}

/** The complete generation that a file holds, if it is unchanged: then it need not be opened. */
export function unchangedSealed(file: FoundFile, registry: SourceRegistry): Checkpoint | undefined {
  return registry
    .knownWithInodeOf(file)
    .find(
      ({ device, phase, size, ctimeNs }) =>
        device === file.device && phase === 'sealed' && size <= file.size && ctimeNs === file.ctimeNs,
    );
}

/**
 * Takes out complete generations whose files were not found, except for the `max` that became known
 * last. `mayExist`: the last scan found the file, or could not search its path.
 */
export function takeOldestComplete(
  registry: SourceRegistry,
  mayExist: (checkpoint: Checkpoint) => boolean,
  max: number,
): readonly Checkpoint[] {
  const complete = registry.known.filter(isComplete);
  if (complete.length <= max) return [];
  const oldest = complete.filter((one) => !mayExist(one)).slice(0, -max);
  for (const checkpoint of oldest) registry.removeKnown(checkpoint);
  return oldest;
}

/** Whether a file may be the one that was created at `known`. Rejects with the system's error. */
export async function hasBirth({ path, birthMs }: FoundFile, known: number): Promise<boolean> {
  return mayBeSameBirth(known, birthMs) || !(await keepsBirth(path));
}

/** Whether two times of birth, of which 0 means unknown, may be the same. */
export function mayBeSameBirth(one: number, other: number): boolean {
  return one === 0 || other === 0 || one === other;
}

/** The present head of an open file, if it holds the generation of `checkpoint`. */
async function headIfSame(fd: number, file: FoundFile, checkpoint: Checkpoint): Promise<FileHead | undefined> {
  const { position, birthMs, head: known, markers } = checkpoint;
  if (file.size < position) return undefined;
  const [marker] = markers;
  const head = await compareHead(fd, known, position);
  if (!head || (marker && !(await hasMarker(fd, marker)))) return undefined;
  const isSame = hasBytes(checkpoint) ? await hasBirth(file, birthMs) : mayBeSameBirth(birthMs, file.birthMs);
  return isSame ? head : undefined;
}
