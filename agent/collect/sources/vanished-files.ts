import { dirname } from 'node:path';
import type { Clock } from '../../../runtime/clock.ts';
import { errorText, rethrowDefect } from '../../../runtime/errors.ts';
import type { Logger } from '../../../runtime/logger.ts';
import { type Checkpoint, isComplete } from '../../model/checkpoint.ts';
import { fileKey, isAtOrBelow } from '../../model/found-file.ts';
import { BudgetError } from '../files/file-budget.ts';
import { findMovedFiles, isMounted } from '../files/missing-files.ts';
import { isUnreadable } from '../find/discovery.ts';
import type { EndedFiles } from './ended-files.ts';
import type { FileIdentifier } from './file-identifier.ts';
import type { OpenSources } from './open-sources.ts';
import { RENAMED_GRACE_MS } from './retirement-rules.ts';
import type { Scan } from './scan.ts';
import type { SourceRegistry } from './source-registry.ts';

export interface VanishedFilesDependencies {
  clock: Clock;
  logger: Logger;
  registry: SourceRegistry;
  open: OpenSources;
  ended: EndedFiles;
  identifier: FileIdentifier;
  /** There is only one scan. */
  once: boolean;
}

/**
 * Files that are not open and that a scan did not find. They were moved, and are read from there,
 * or no longer exist, and what is left of them is lost.
 */
export class VanishedFiles {
  readonly #dependencies: VanishedFilesDependencies;
  /** Generations that may be on a file system that is not mounted. Each is logged once. */
  readonly #unmounted = new Set<string>();

  constructor(dependencies: VanishedFilesDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Call it after the scan's known files were identified. One scan may miss a file that moves from
   * a folder that it has not read yet to one that it has: so what two scans miss has vanished.
   */
  async search(scan: Scan): Promise<void> {
    const { registry, once } = this.#dependencies;
    const certain = this.#setAside(scan);
    const missing = registry.known.filter((one) => !isComplete(one) && isMissing(one, scan));
    const before = new Set(registry.missing.map(({ generation }) => generation));
    registry.missing = [];
    if (missing.length === 0) return;
    const moved = await findMovedFiles(missing, scan.rules.folders ?? []);
    for (const checkpoint of missing) {
      if (scan.signal.aborted) return;
      const { generation } = checkpoint;
      // A file event may have found it since the search began.
      if (!registry.isKnown(checkpoint)) continue;
      const path = moved.get(checkpoint);
      if (path !== undefined && (await this.#isFoundAt(path, checkpoint, scan))) continue;
      // The file at the path may have shown that its content no longer exists.
      if (!registry.isKnown(checkpoint)) continue;
      if (before.has(generation) || once) await this.#foundNowhere(checkpoint, scan, certain.has(generation));
      else registry.missing = [...registry.missing, checkpoint];
    }
  }

  /**
   * Makes sources whose files are neither open nor found known files. Returns the generations that
   * were complete and quiet, and so can't have had more bytes.
   */
  #setAside(scan: Scan): Set<string> {
    const { clock, registry, open } = this.#dependencies;
    const nowMs = clock.monotonicMs();
    const certain = new Set<string>();
    for (const source of registry) {
      const { file } = source;
      if (file.isOpen || !source.settled || scan.present.has(source) || !isMissing(file, scan)) continue;
      if (source.complete && nowMs - file.lastGrowthMs > RENAMED_GRACE_MS) certain.add(source.generation);
      open.close(source);
      registry.addKnown(file.checkpoint);
    }
    return certain;
  }

  /** Reads the file on if it is at `path`. true, too, if that can't be decided now. */
  async #isFoundAt(path: string, checkpoint: Checkpoint, scan: Scan): Promise<boolean> {
    const { identifier, open } = this.#dependencies;
    try {
      const source = await identifier.resume(checkpoint, path);
      if (source && !source.isClosed && scan.rules.matches(path)) open.foundAt(source, path);
      return source !== undefined;
    } catch (error) {
      rethrowDefect(error);
      scan.waiting ||= error instanceof BudgetError;
      scan.errors.set(checkpoint.path, `the file was moved to ${path}: ${errorText(error)}`);
      return true;
    }
  }

  async #foundNowhere(checkpoint: Checkpoint, { found }: Scan, certain: boolean): Promise<void> {
    const { registry, ended, logger } = this.#dependencies;
    const { path, folder, generation } = checkpoint;
    const device = registry.deviceNow(checkpoint.device);
    // In an overlay file system a folder may have another device than its files, so one file in
    // the folder shows, too, that the file system is mounted.
    const hasSibling = found.files.some((file) => file.device === device && isAtOrBelow(file.path, dirname(path)));
    const isGone = hasSibling || (await isMounted(folder?.path ?? dirname(path), device));
    if (!registry.isKnown(checkpoint)) return;
    if (isGone) {
      registry.removeKnown(checkpoint);
      ended.endKnown(checkpoint, { reason: 'vanished', certain });
    } else if (!this.#unmounted.has(generation)) {
      this.#unmounted.add(generation);
      const remedy = 'mount the file system; then the rest of the file is read';
      logger.warn('known file is missing and its file system may not be mounted', { path, generation, remedy });
    }
  }
}

function isMissing(
  file: Pick<Checkpoint, 'device' | 'inode' | 'path'>,
  { keys, rules, found }: Pick<Scan, 'keys' | 'rules' | 'found'>,
): boolean {
  return !keys.has(fileKey(file)) && rules.matches(file.path) && !isUnreadable(file.path, found);
}
