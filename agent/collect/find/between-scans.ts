import { stat, statSync } from 'node:fs';
import type { Clock } from '../../../runtime/clock.ts';
import type { FoundFile } from '../../model/found-file.ts';
import { BusyFolders } from './busy-folders.ts';
import type { Discovery, FileEvents } from './discovery.ts';
import { FileEventQueue } from './file-event-queue.ts';
import type { FileWatcher, WatchEvents } from './file-watcher.ts';
import type { Folder } from './folder-walk.ts';

/** The entry that the hints are for. */
export interface EventTarget {
  /** undefined while nothing is to be looked for. */
  discovery(): Discovery | undefined;
  /** Before the first scan it is not known which files are new. */
  scanned(): boolean;
  /** Reads on in the file that was last seen at a path; false when what is there must be met. */
  readOn(path: string): boolean;
  /** Looks at what is at a path now. Never rejects. */
  meet(path: string, look: () => FoundFile | undefined | Promise<FoundFile | undefined>): Promise<void>;
  scan(): Promise<void>;
}

/** Makes delivery faster than scans are: follows the hints of one entry. What they miss the next scan finds. */
export class BetweenScans {
  readonly #entry: EventTarget;
  readonly #watcher: FileWatcher;
  readonly #queue: FileEventQueue;
  readonly #busy: BusyFolders;

  constructor(entry: EventTarget, clock: Clock, createWatcher: (events: WatchEvents) => FileWatcher) {
    this.#entry = entry;
    this.#queue = new FileEventQueue(clock, (path, renamed) => this.#follow(path, renamed));
    this.#watcher = createWatcher({
      onHint: (path, renamed) => this.#queue.add(path, renamed),
      mayBeBusy: (folder) => entry.discovery()?.folderAt(folder)?.local === true,
      onBusy: () => this.#busy.start(),
    });
    this.#busy = new BusyFolders({
      clock,
      busy: this.busy,
      folderAt: (path) => entry.discovery()?.folderAt(path),
      checkNames: (folder) => this.#checkNames(folder),
      onChange: (matched, grown) => {
        if (!entry.scanned() || (grown && entry.readOn(matched.path))) return;
        void entry.meet(matched.path, () => matched.file);
      },
    });
  }

  /** For a discovery to be told. */
  get hints(): FileEvents {
    return {
      watch: (path, key, kind) => this.#watcher.watch(path, key, kind),
      lost: () => this.#watcher.lost(),
    };
  }

  /** The folders that are looked at many times a second instead of being watched. */
  get busy(): ReadonlyMap<string, unknown> {
    return this.#watcher.busy;
  }

  /** A scan has asked for all that is to be watched. */
  scanned(): void {
    this.#watcher.sweep();
  }

  /** Nothing is watched until the next scan. */
  stop(): void {
    this.#watcher.close();
  }

  #follow(path: string, renamed: boolean): void {
    const discovery = this.#entry.discovery();
    if (!discovery) return;
    discovery.touched(path);
    if (!this.#entry.scanned()) {
      void this.#entry.scan();
      return;
    }
    if (!renamed && this.#entry.readOn(path)) return;
    if (renamed && discovery.leadsOn(path)) this.#scanBelow(path);
    if (discovery.matches(path)) void this.#entry.meet(path, () => discovery.look(path));
  }

  /** A folder that has come may have files already. */
  #scanBelow(path: string): void {
    stat(path, (_absent, stats) => {
      if (stats?.isDirectory()) void this.#entry.scan();
    });
  }

  #checkNames({ path, ctimeNs }: Folder): void {
    try {
      const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
      if (stats?.ctimeNs === ctimeNs) return;
    } catch {
      // The scan tells what is wrong with it.
    }
    void this.#entry.scan();
  }
}
