import type { Clock } from '../../../runtime/clock.ts';
import type { Folder } from './folder-walk.ts';
import type { MatchedPath } from './matched-path.ts';

/** Between two looks: the more is written, the sooner. */
const LOOK_MS = { min: 20, max: 200 };
/** So many bytes at once are worth the batch that they make. */
const WORTH_BYTES = { min: 16 * 1024, max: 64 * 1024 };
/** How often all files of a folder are looked at, and for each so many of them. */
const ALL_MS = 1_000;
const ALL_FILES = 5_000;

/** What the looks need to know, and what they tell. */
export interface BusyTools {
  clock: Clock;
  /** Folders that are written to so often that hints of each write cost more than looks. */
  busy: ReadonlyMap<string, unknown>;
  folderAt(path: string): Folder | undefined;
  /** Whether names may have come to the folder or gone since they were read; then a scan is due. */
  checkNames(folder: Folder): void;
  /** `grown`: it is the same file, and no smaller. */
  onChange(matched: MatchedPath, grown: boolean): void;
}

interface Busy {
  /** What has changed lately. */
  hot: Set<MatchedPath>;
  changed: Set<MatchedPath>;
  allLookedMs: number;
}

/** Looks at the files of busy folders many times a second, instead of being woken by each write. */
export class BusyFolders {
  readonly #tools: BusyTools;
  readonly #folders = new Map<string, Busy>();
  #looking = false;
  #intervalMs = LOOK_MS.min;

  constructor(tools: BusyTools) {
    this.#tools = tools;
  }

  /** A folder has become busy. */
  start(): void {
    if (!this.#looking) void this.#look();
    this.#looking = true;
  }

  async #look(): Promise<void> {
    const { clock, busy } = this.#tools;
    while (busy.size > 0) {
      const nowMs = clock.monotonicMs();
      let grown = 0;
      for (const path of busy.keys()) grown += this.#lookIn(path, nowMs);
      for (const path of this.#folders.keys()) if (!busy.has(path)) this.#folders.delete(path);
      if (grown > WORTH_BYTES.max) this.#intervalMs = Math.max(LOOK_MS.min, this.#intervalMs / 2);
      else if (grown < WORTH_BYTES.min) this.#intervalMs = Math.min(LOOK_MS.max, this.#intervalMs * 2);
      await clock.sleep(this.#intervalMs);
    }
    this.#folders.clear();
    this.#looking = false;
  }

  /** Returns by how many bytes its files have grown. */
  #lookIn(path: string, nowMs: number): number {
    const folder = this.#tools.folderAt(path);
    if (!folder?.local) return 0;
    const busy = this.#folders.get(path) ?? { hot: new Set(), changed: new Set(), allLookedMs: -ALL_MS };
    this.#folders.set(path, busy);
    const all = nowMs - busy.allLookedMs >= ALL_MS * Math.max(1, folder.matched.length / ALL_FILES);
    let grown = 0;
    for (const matched of all ? folder.matched : busy.hot) {
      const before = matched.file;
      if (!lookAt(matched) || matched.file === before) continue;
      busy.changed.add(matched);
      const bytes = (matched.file?.size ?? 0) - (before?.size ?? 0);
      this.#tools.onChange(matched, bytes >= 0 && matched.file?.key === before?.key);
      grown += Math.max(0, bytes);
    }
    if (!all) return grown;
    Object.assign(busy, { hot: busy.changed, changed: new Set(), allLookedMs: nowMs });
    this.#tools.checkNames(folder);
    return grown;
  }
}

/** False when it can't be looked at: the scan tells of that. */
function lookAt(matched: MatchedPath): boolean {
  if (!matched.local) return false;
  try {
    matched.lookAtOnce();
    return true;
  } catch {
    return false;
  }
}
