import { basename, dirname, extname, join } from 'node:path';
import type { FoundFile } from '../../model/found-file.ts';
import { compareHead, hasMarker, haveSameBytesBefore } from '../files/file-head.ts';
import { NOT_OPEN } from '../files/file-io.ts';
import type { Source } from './source.ts';

/** What a copy's name has behind that of its original. */
const SEPARATORS = '.-_';
/** How long a file that looks like a copy waits, after it last grew, for its original to be truncated. */
const COPY_GRACE_MS = 10_000;

/**
 * logrotate's `copytruncate` copies a log and truncates it then. A new file that has the bytes of one that is read, and the name of a copy, is
 * not read before that is decided: when the original is truncated its generation goes on in the copy; when it isn't, the copy is a file
 * of its own, read whole. So neither order of events makes lines come twice.
 */
export class Copies {
  readonly #held = new Map<string, { size: number; grewMs: number }>();

  /** Whether some file waits. */
  get any(): boolean {
    return this.#held.size > 0;
  }

  /** Whether to wait with the file. `originals` are those that it may be a copy of, by its name. */
  async holds(fd: number, file: FoundFile, originals: Iterable<Source>, nowMs: number): Promise<boolean> {
    const { key } = file;
    if (!(await isCopyOfOne(fd, file, originals))) {
      this.#held.delete(key);
      return false;
    }
    const held = this.#held.get(key);
    const grewMs = held && held.size === file.size ? held.grewMs : nowMs;
    this.#held.set(key, { size: file.size, grewMs });
    if (nowMs - grewMs < COPY_GRACE_MS) return true;
    this.#held.delete(key);
    return false;
  }

  /** Forgets those that are not there any more. */
  keepOnly(keys: ReadonlySet<string>): void {
    for (const key of this.#held.keys()) if (!keys.has(key)) this.#held.delete(key);
  }
}

/** Whether logrotate and its like would call a copy of `original` so: `a.log.1`, `a.log-20260101` or `a-20260101.log` of `a.log`. */
export function mayBeCopyOf(path: string, original: string): boolean {
  return dirname(path) === dirname(original) && originalsOf(path).includes(original);
}

/** Where the original of a copy at `path` would be. */
export function originalsOf(path: string): string[] {
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

async function isCopyOfOne(fd: number, file: FoundFile, originals: Iterable<Source>): Promise<boolean> {
  for (const original of originals) if (await isCopyOf(fd, file, original).catch(() => false)) return true;
  return false;
}

async function isCopyOf(fd: number, { size }: FoundFile, original: Source): Promise<boolean> {
  const { head, marker } = original.life;
  if (head.bytes === 0) return false;
  if (size >= Math.max(head.bytes, marker.end))
    return (await compareHead(fd, head)) !== undefined && hasMarker(fd, marker);
  // Being copied, or just begun.
  return original.fd !== NOT_OPEN && size <= original.size && haveSameBytesBefore(fd, original.fd, size);
}
