import { type BigIntStats, lstatSync, statSync } from 'node:fs';
import { lstat, stat } from 'node:fs/promises';
import { type FoundFile, fileSizeOf, foundFile, inodeOf, isAbsent } from '../../model/found-file.ts';

const BIGINT = { bigint: true } as const;
/** Creating an exception for each missing file would cost more than the stat. */
const AT_ONCE = { bigint: true, throwIfNoEntry: false } as const;

/** A path that an entry's globs match, and the file that was last seen there. */
export class MatchedPath {
  readonly path: string;
  /** Its folder is on a local file system, and it was not a link when the names were read. */
  local: boolean;
  /** It may be a link. */
  link: boolean;
  file: FoundFile | undefined;
  /** Something may have changed since it was last observed. */
  stale = true;
  /** The scan that observed it last. */
  scan = 0;
  /** Links to a file are followed. Otherwise no file is found at a link. */
  readonly #followsLinks: boolean;
  /** The file has another name, through which it can be written without an event here. */
  #hasOtherNames = false;

  constructor(path: string, local: boolean, link: boolean, followsLinks = true) {
    this.path = path;
    this.local = local;
    this.link = link;
    this.#followsLinks = followsLinks;
  }

  /** Whether nothing changed since it was observed, unless an event was lost. */
  get isQuiet(): boolean {
    return !this.stale && !this.#hasOtherNames && this.file !== undefined;
  }

  /** Observes a local file. Throws the system's error, except for a missing file. */
  observeSync(): void {
    this.stale = false;
    try {
      const stats = this.#followsLinks ? statSync(this.path, AT_ONCE) : lstatSync(this.path, AT_ONCE);
      if (stats) this.#update(stats);
      else this.file = undefined;
    } catch (error) {
      this.file = undefined;
      throw error;
    }
  }

  /** Observes any file. Rejects with the system's error, except for a missing file. */
  async observe(): Promise<void> {
    if (this.local) return this.observeSync();
    this.stale = false;
    try {
      this.#update(await (this.#followsLinks ? stat : lstat)(this.path, BIGINT));
    } catch (error) {
      this.file = undefined;
      if (!isAbsent(error)) throw error;
    }
  }

  #update(stats: BigIntStats): void {
    const { file } = this;
    this.#hasOtherNames = stats.nlink > 1n;
    // Keep the object if nothing changed: each scan compares thousands of them by identity.
    if (file?.ctimeNs === stats.ctimeNs && file.inode === inodeOf(stats) && file.device === stats.dev) {
      if (file.size === fileSizeOf(stats) && file.local === this.local) return;
    }
    this.file = foundFile(this.path, stats, this.local);
  }
}
