import { type BigIntStats, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type FoundFile, foundFile, isAbsent } from '../../model/found-file.ts';

/** What Node puts in the place of bytes that are no UTF-8: such a path leads nowhere. */
const NOT_UTF8 = '\uFFFD';
const BIGINT = { bigint: true } as const;
/** A file that is not there is no exception: of thousands each would cost more than the look. */
const AT_ONCE = { bigint: true, throwIfNoEntry: false } as const;

/** A path that an entry's globs match, and what was last seen there. */
export class MatchedPath {
  readonly path: string;
  /** Its folder is on a local file system, and it was no link when the folder's names were read. */
  local: boolean;
  /** It may be a link. */
  link: boolean;
  file: FoundFile | undefined;
  /** Something may have happened since. */
  stale = true;
  /** The scan that looked at it last. */
  scan = 0;
  /** The file has another name, by which it may be written without a hint. */
  #named = false;

  constructor(path: string, local: boolean, link: boolean) {
    this.path = path;
    this.local = local;
    this.link = link;
  }

  /** Whether it is as it was, unless a hint of it was lost. */
  get quiet(): boolean {
    return !this.stale && !this.#named && this.file !== undefined;
  }

  /** Looks at a local file. Throws the system's error, but for a file that is not there. */
  lookAtOnce(): void {
    this.stale = false;
    try {
      const stats = statSync(this.path, AT_ONCE);
      if (stats) this.#see(stats);
      else this.#sawNothing();
    } catch (error) {
      this.file = undefined;
      throw error;
    }
  }

  /** The same for any file. Rejects with the system's error, but for a file that is not there. */
  async look(): Promise<void> {
    if (this.local) return this.lookAtOnce();
    this.stale = false;
    try {
      this.#see(await stat(this.path, BIGINT));
    } catch (error) {
      this.file = undefined;
      if (!isAbsent(error)) throw error;
      this.#sawNothing();
    }
  }

  #see(stats: BigIntStats): void {
    const { file } = this;
    this.#named = stats.nlink > 1n;
    // The same object for the same file: thousands of them are compared by each scan.
    if (file?.ctimeNs === stats.ctimeNs && file.inode === stats.ino && file.device === stats.dev) {
      if (file.size === Number(stats.size) && file.local === this.local) return;
    }
    this.file = foundFile(this.path, stats, this.local);
  }

  #sawNothing(): void {
    this.file = undefined;
    if (this.path.includes(NOT_UTF8)) throw new Error('its name is not UTF-8: rename it');
  }
}
