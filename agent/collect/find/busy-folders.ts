import type { Clock } from '../../../runtime/clock.ts';
import type { Folder } from './folder-walk.ts';
import type { MatchedPath } from './matched-path.ts';

/** The interval between two polls: the more is written, the shorter. */
const POLL_MS = { min: 20, max: 200 };
/** Growth per poll that makes the interval longer (below `min`) or shorter (above `max`). */
const GROWTH_BYTES = { min: 16 * 1024, max: 64 * 1024 };
/** All files of a folder are polled once in this time, for each FILES_PER_FULL_POLL of them. */
const FULL_POLL_MS = 1_000;
const FILES_PER_FULL_POLL = 5_000;

/** What polling needs, and what it reports to. */
export interface BusyFolderAccess {
  clock: Clock;
  /** Folders with so many writes that an event for each costs more than polling. */
  busy: ReadonlyMap<string, unknown>;
  folderAt(path: string): Folder | undefined;
  /** Requests a scan if the folder's names may have changed since they were read. */
  checkNames(folder: Folder): void;
  /** `grown`: the path has the same file as before, and it is not smaller. */
  onChange(matched: MatchedPath, grown: boolean): void;
}

interface BusyFolder {
  /** Files that changed between the last two full polls: polled each time. */
  hot: Set<MatchedPath>;
  /** Files that changed since the last full poll. */
  changed: Set<MatchedPath>;
  /** When the last full poll was; monotonic. */
  fullPollMs: number;
}

/** Polls the files of busy folders many times a second, instead of being woken by each write. */
export class BusyFolders {
  readonly #access: BusyFolderAccess;
  readonly #folders = new Map<string, BusyFolder>();
  #polling = false;
  #intervalMs = POLL_MS.min;

  constructor(access: BusyFolderAccess) {
    this.#access = access;
  }

  /** Call when a folder has become busy. Polling ends by itself when none is. */
  start(): void {
    if (!this.#polling) void this.#poll();
    this.#polling = true;
  }

  async #poll(): Promise<void> {
    const { clock, busy } = this.#access;
    while (busy.size > 0) {
      const nowMs = clock.monotonicMs();
      let grown = 0;
      for (const path of busy.keys()) grown += this.#pollFolder(path, nowMs);
      for (const path of this.#folders.keys()) if (!busy.has(path)) this.#folders.delete(path);
      if (grown > GROWTH_BYTES.max) this.#intervalMs = Math.max(POLL_MS.min, this.#intervalMs / 2);
      else if (grown < GROWTH_BYTES.min) this.#intervalMs = Math.min(POLL_MS.max, this.#intervalMs * 2);
      await clock.sleep(this.#intervalMs);
    }
    this.#folders.clear();
    this.#polling = false;
  }

  /** Returns how many bytes the folder's files have grown by. */
  #pollFolder(path: string, nowMs: number): number {
    const folder = this.#access.folderAt(path);
    if (!folder?.local) return 0;
    const busy = this.#folders.get(path) ?? { hot: new Set(), changed: new Set(), fullPollMs: -FULL_POLL_MS };
    this.#folders.set(path, busy);
    const fullPollDueMs = FULL_POLL_MS * Math.max(1, folder.matched.length / FILES_PER_FULL_POLL);
    const all = nowMs - busy.fullPollMs >= fullPollDueMs;
    let grown = 0;
    for (const matched of all ? folder.matched : busy.hot) {
      const before = matched.file;
      if (!tryObserve(matched) || matched.file === before) continue;
      busy.changed.add(matched);
      const bytes = (matched.file?.size ?? 0) - (before?.size ?? 0);
      this.#access.onChange(matched, bytes >= 0 && matched.file?.key === before?.key);
      grown += Math.max(0, bytes);
    }
    if (!all) return grown;
    Object.assign(busy, { hot: busy.changed, changed: new Set(), fullPollMs: nowMs });
    this.#access.checkNames(folder);
    return grown;
  }
}

/** False: the file can't be observed, which the scan reports. */
function tryObserve(matched: MatchedPath): boolean {
  if (!matched.local) return false;
  try {
    matched.observeSync();
    return true;
  } catch {
    return false;
  }
}
