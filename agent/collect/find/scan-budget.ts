/** How much one scan of an entry may search and find. */
export interface ScanLimits {
  folders: number;
  files: number;
}

export const SCAN_LIMITS: ScanLimits = { folders: 20_000, files: 50_000 };

/**
 * Bounds one scan of an entry. Without it a glob such as `/**\/*.log` would search and remember
 * whole disks.
 */
export class ScanBudget {
  readonly #limits: ScanLimits;
  #folders = 0;
  #files = 0;
  #exceeded = '';

  constructor(limits: ScanLimits) {
    this.#limits = limits;
  }

  /** Which limit ended the scan, with the remedy; empty: none. */
  get exceeded(): string {
    return this.#exceeded;
  }

  /** Counts a folder to be searched. False: the scan ends. */
  takeFolder(path: string): boolean {
    if (this.#exceeded === '' && this.#folders === this.#limits.folders)
      this.#exceed(path, 'folders', 'exclude folders, set "follow_links: false"');
    this.#folders++;
    return this.#exceeded === '';
  }

  /** Counts the files of a folder. Returns how many of them the scan may find. */
  takeFiles(path: string, count: number): number {
    const taken = Math.min(count, this.#limits.files - this.#files);
    this.#files += taken;
    if (taken < count) this.#exceed(path, 'files', 'exclude files');
    return taken;
  }

  #exceed(path: string, what: keyof ScanLimits, remedy: string): void {
    const limit = this.#limits[what].toLocaleString('en');
    this.#exceeded = `the search for files ended in ${path} at the limit of ${limit} ${what}, so files elsewhere are not found: narrow "paths", ${remedy}, or split the entry`;
  }
}
