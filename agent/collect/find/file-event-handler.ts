import { stat, statSync } from 'node:fs';
import type { Clock } from '../../../runtime/clock.ts';
import type { FoundFile } from '../../model/found-file.ts';
import { BusyFolders } from './busy-folders.ts';
import type { Discovery, FileEventSource } from './discovery.ts';
import { FileEventQueue } from './file-event-queue.ts';
import type { FileWatcher, WatchListener } from './file-watcher.ts';
import type { Folder } from './folder-walk.ts';

/** The entry that file events are for. */
export interface FileEventTarget {
  /** undefined while the entry collects nothing. */
  discovery(): Discovery | undefined;
  /** Whether the first scan is done. Before it, nobody knows which files are new. */
  scanned(): boolean;
  /** Continues to read the file last seen at a path. False: the file must be observed first. */
  continueReading(path: string): boolean;
  /** Handles what is at a path now, as `look` finds it. Never rejects. */
  handleEvent(path: string, look: () => FoundFile | undefined | Promise<FoundFile | undefined>): Promise<void>;
  scan(): Promise<void>;
}

/**
 * Follows the file events of one entry, so that lines are read within milliseconds instead of at
 * the next scan. The scan finds what events miss.
 */
export class FileEventHandler {
  readonly #entry: FileEventTarget;
  readonly #watcher: FileWatcher;
  readonly #queue: FileEventQueue;
  readonly #busy: BusyFolders;

  constructor(entry: FileEventTarget, clock: Clock, createWatcher: (events: WatchListener) => FileWatcher) {
    this.#entry = entry;
    this.#queue = new FileEventQueue(clock, (path, renamed) => this.#follow(path, renamed));
    this.#watcher = createWatcher({
      onFileEvent: (path, renamed) => this.#queue.add(path, renamed),
      mayBeBusy: (folder) => entry.discovery()?.mayPoll(folder) === true,
      onBusy: () => this.#busy.start(),
    });
    this.#busy = new BusyFolders({
      clock,
      busy: this.busy,
      folderAt: (path) => entry.discovery()?.folderAt(path),
      checkNames: (folder) => this.#checkNames(folder),
      onChange: (matched, grown) => {
        if (!entry.scanned() || (grown && entry.continueReading(matched.path))) return;
        void entry.handleEvent(matched.path, () => matched.file);
      },
    });
  }

  /** The events as a discovery needs them. */
  get events(): FileEventSource {
    return {
      watch: (path, key) => this.#watcher.watch(path, key),
      mayHaveLostEvents: () => this.#watcher.mayHaveLostEvents(),
    };
  }

  /** The folders that are polled many times a second instead of being watched. */
  get busy(): ReadonlyMap<string, unknown> {
    return this.#watcher.busy;
  }

  /** Call after a scan, which requests every watch that is needed: drops all others. */
  scanned(): void {
    this.#watcher.sweep();
  }

  /** Drops all watches until the next scan. */
  stop(): void {
    this.#watcher.close();
  }

  #follow(path: string, renamed: boolean): void {
    const discovery = this.#entry.discovery();
    if (!discovery) return;
    this.#followPath(path, renamed, discovery);
    for (const link of discovery.linksTo(path)) this.#followPath(link, renamed, discovery);
  }

  #followPath(path: string, renamed: boolean, discovery: Discovery): void {
    discovery.markStale(path);
    if (!this.#entry.scanned()) {
      void this.#entry.scan();
      return;
    }
    if (!renamed && this.#entry.continueReading(path)) return;
    // Nothing else reports a folder above which none is watched.
    if (renamed && discovery.bases.includes(path)) void this.#entry.scan();
    if (renamed && discovery.mayHoldMatches(path)) this.#scanBelow(path);
    if (discovery.matches(path)) void this.#entry.handleEvent(path, () => discovery.observe(path));
  }

  /** A new folder may already have files. */
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
      // The scan reports the error.
    }
    void this.#entry.scan();
  }
}
