import { basename, dirname, extname, join } from 'node:path';
import { isComplete } from '../../model/checkpoint.ts';
import { type Fingerprint, hasBytes } from '../../model/fingerprint.ts';
import { fileKey, type OpenFile } from '../../model/found-file.ts';
import { haveSameBytesBefore, isCopyWith } from '../files/file-head.ts';
import { fstat, NOT_OPEN } from '../files/file-io.ts';
import type { Source } from './source.ts';
import type { SourceRegistry } from './source-registry.ts';

/** What separates the original's name from the rest of a copy's name. */
const SEPARATORS = '.-_';
/** How long an apparent copy, after it last grew, waits for the original's truncation. */
const COPY_GRACE_MS = 10_000;
/** A marker that ends beyond it identifies a file better than its head does. */
const HEAD_BYTES_MAX = 1024;

/** A file that may have a copy. */
interface Original extends Pick<Source, 'fd' | 'size'> {
  readonly file: Pick<Source['file'], 'fingerprint' | 'isOpen'>;
}

/**
 * logrotate's `copytruncate` copies a log and then truncates it. A new file with the bytes of an
 * open one, and the name of a copy, is not read before that is decided. If the original is
 * truncated, its generation continues in the copy. If not, the copy is a file of its own and is
 * read whole. So no line is sent twice, in whichever order the agent sees the two.
 */
export class Copies {
  /** Files that wait, by fileKey: their size, and when they last grew. */
  readonly #held = new Map<string, { size: number; grewMs: number }>();

  /** Whether the file waits. `originals`: the files that it may be a copy of, by its name. */
  async holds(fd: number, file: OpenFile, originals: Iterable<Original>, nowMs: number): Promise<boolean> {
    const { key } = file;
    if (!(await isCopyOfOne(fd, file, originals))) {
      this.#held.delete(key);
      return false;
    }
    const held = this.#held.get(key);
    const grewMs = held && held.size === file.written ? held.grewMs : nowMs;
    this.#held.set(key, { size: file.written, grewMs });
    if (nowMs - grewMs < COPY_GRACE_MS) return true;
    this.#held.delete(key);
    return false;
  }

  /** Forgets files that the scan did not find. `keys` makes the keys of those that it found. */
  keepOnly(keys: () => ReadonlySet<string>): void {
    if (this.#held.size === 0) return;
    const found = keys();
    for (const key of this.#held.keys()) if (!found.has(key)) this.#held.delete(key);
  }
}

/**
 * Finds the ended generation of which `file`, open at `fd`, is a copy. Equal heads do not suffice,
 * because tables may share a headline: a marker must be equal, too. If that covers few bytes, or
 * not all that was seen, the file must also have the name of a copy.
 */
export async function findOriginal(fd: number, file: OpenFile, registry: SourceRegistry): Promise<Source | undefined> {
  for (const source of registry.ended) {
    if (registry.endingOf(source)?.reason === 'budget') continue;
    const { path, previousPath, fingerprint } = source.file;
    // What a file held before a truncation is not its original, even if both begin alike.
    if (fileKey(source.file) === file.key) continue;
    if ((await continues(fd, file, { path, previousPath, ...fingerprint })) && registry.endingOf(source)) return source;
  }
  return undefined;
}

/**
 * Whether `file`, open at `fd`, is the copy of a file that the last scan did not find. The next
 * scan shows whether that has ended, so that it continues in the copy.
 */
export async function isCopyOfMissing(fd: number, file: OpenFile, registry: SourceRegistry): Promise<boolean> {
  for (const checkpoint of registry.missing) if (await continues(fd, file, checkpoint)) return true;
  return false;
}

/**
 * Whether a file that ended, and was last seen at `path`, and before that at `previousPath`,
 * continues in another file.
 */
async function continues(
  fd: number,
  file: OpenFile,
  { path, previousPath = path, head, markers }: Fingerprint & { path: string; previousPath?: string },
): Promise<boolean> {
  if (file.path === path) return false;
  const [furthest] = markers;
  const hasAll = furthest !== undefined && furthest.end > HEAD_BYTES_MAX && furthest.end <= file.written;
  const identifies = hasAll || [path, previousPath].some((original) => mayBeCopyOf(file.path, original));
  return identifies && hasBytes({ head, markers }) && isCopyWith(fd, file.written, { head, markers });
}

/** Where the original of a copy at `path` would be. */
export function originalPaths(path: string): string[] {
  const name = basename(path);
  const extension = extname(name);
  const found = new Set<string>();
  for (let length = 1; length < name.length; length++) {
    if (!SEPARATORS.includes(name.charAt(length))) continue;
    const stem = name.slice(0, length);
    found.add(stem).add(stem + extension);
  }
  found.delete(name);
  return [...found].map((candidate) => join(dirname(path), candidate));
}

/** Whether logrotate names copies so: `a.log.1`, `a.log-20260101`, `a-20260101.log` of `a.log`. */
export function mayBeCopyOf(path: string, original: string): boolean {
  return dirname(path) === dirname(original) && originalPaths(path).includes(original);
}

/**
 * Known files that may be at one of these paths, and that nothing was read from yet: they may wait
 * for a descriptor.
 */
export function waitingAt(paths: readonly string[], registry: SourceRegistry): Original[] {
  const waiting = registry.known.filter((known) => !isComplete(known) && paths.includes(known.path));
  return waiting.map((fingerprint) => ({ file: { fingerprint, isOpen: false }, fd: NOT_OPEN, size: 0 }));
}

async function isCopyOfOne(fd: number, file: OpenFile, originals: Iterable<Original>): Promise<boolean> {
  for (const original of originals) if (await isCopyOf(fd, file, original).catch(() => false)) return true;
  return false;
}

async function isCopyOf(fd: number, { written: size }: OpenFile, original: Original): Promise<boolean> {
  const { fingerprint, isOpen } = original.file;
  if (!hasBytes(fingerprint)) return false;
  if (!isOpen) return isCopyWith(fd, size, fingerprint);
  // The original was observed after the copy.
  if (size > original.size) return false;
  // The copy may still be written.
  if (await haveSameBytesBefore(fd, original.fd, size)) return true;
  // If the original was truncated since it was observed, the next scan finds all that was copied.
  return (await fstat(original.fd)).size < original.size;
}
