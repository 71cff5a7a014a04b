import { dirname } from 'node:path';
import { errorText } from '../../../runtime/errors.ts';
import type { Checkpoint } from '../../model/checkpoint.ts';
import { fileKey, isAtOrBelow } from '../../model/found-file.ts';
import { NOT_OPEN } from '../files/file-io.ts';
import { findMovedFiles, isMounted } from '../files/missing-files.ts';
import { isUnreadable } from '../find/discovery.ts';
import type { FileIdentifier } from './file-identifier.ts';
import type { KnownFiles } from './known-files.ts';
import { RENAMED_GRACE_MS } from './retirement-rules.ts';
import type { Scan } from './scan.ts';
import type { SourceSetTools } from './source-set-tools.ts';
import type { TrackedSources } from './tracked-sources.ts';

/** Known files that are not open and that a scan did not find: they are elsewhere, and read on from there, or nowhere, and their rest is lost. */
export class VanishedFiles {
  readonly #tools: SourceSetTools;
  readonly #tracked: TrackedSources;
  readonly #known: KnownFiles;
  readonly #recogniser: FileIdentifier;
  /** Not found by the last scan. One scan may miss a file that moves from where it has not been yet to where it was. */
  #missed = new Set<string>();
  /** They may be on a file system that is not mounted; told once. */
  readonly #unmounted = new Set<string>();

  constructor(
    tools: SourceSetTools,
    parts: { tracked: TrackedSources; known: KnownFiles; recogniser: FileIdentifier },
  ) {
    this.#tools = tools;
    this.#tracked = parts.tracked;
    this.#known = parts.known;
    this.#recogniser = parts.recogniser;
  }

  /** Call it when the known files that the scan found have been met. */
  async seek(scan: Scan): Promise<void> {
    const certain = this.#setAside(scan);
    const missing = [...this.#known].filter(
      (one) => (one.phase === 'live' || one.phase === 'rotated') && isMissing(one, scan),
    );
    const before = this.#missed;
    this.#missed = new Set();
    if (missing.length === 0) return;
    const moved = await findMovedFiles(missing, scan.rules.folders ?? []);
    for (const checkpoint of missing) {
      if (scan.signal.aborted) return;
      const { generation } = checkpoint;
      const foundAt = moved.get(checkpoint);
      if (foundAt) await this.#foundElsewhere(checkpoint, foundAt, scan);
      else if (before.has(generation) || this.#tools.once)
        await this.#nowhere(checkpoint, scan, certain.has(generation));
      else this.#missed.add(generation);
    }
  }

  /** Sources that are closed and not found are known files only. Returns those that had not grown for so long that they were complete. */
  #setAside(scan: Scan): Set<string> {
    const nowMs = this.#tools.clock.monotonicMs();
    const certain = new Set<string>();
    for (const source of [...this.#tracked]) {
      if (source.fd !== NOT_OPEN || !source.settled || scan.present.has(source)) continue;
      const { checkpoint } = source;
      if (!isMissing(checkpoint, scan)) continue;
      if (source.complete && nowMs - source.lastGrowthMs > RENAMED_GRACE_MS) certain.add(source.generation);
      this.#tracked.remove(source);
      this.#known.add(checkpoint);
    }
    return certain;
  }

  async #foundElsewhere(checkpoint: Checkpoint, foundAt: string, scan: Scan): Promise<void> {
    try {
      const source = await this.#recogniser.resume(checkpoint, foundAt);
      if (source && scan.rules.matches(foundAt)) this.#tracked.moved(source, foundAt);
    } catch (error) {
      scan.errors.set(checkpoint.path, `it is at ${foundAt} now: ${errorText(error)}`);
    }
  }

  async #nowhere(checkpoint: Checkpoint, { found }: Scan, certain: boolean): Promise<void> {
    const { path, generation } = checkpoint;
    const device = this.#known.deviceNow(checkpoint.device);
    // The folder's own device may be another one, of an overlay file system: then its files tell.
    const beside = found.files.some((file) => file.device === device && isAtOrBelow(file.path, dirname(path)));
    if (beside || (await isMounted(path, device))) {
      this.#known.delete(checkpoint);
      this.#recogniser.gone([checkpoint], undefined, certain);
    } else if (!this.#unmounted.has(generation)) {
      this.#unmounted.add(generation);
      const remedy = 'mount it; what is left of the file is read then';
      this.#tools.logger.warn('a known file is not there, and its folder is on another file system', { path, remedy });
    }
  }
}

function isMissing(file: Checkpoint, scan: Scan): boolean {
  const { rules, found } = scan;
  return !scan.keys.has(fileKey(file)) && rules.matches(file.path) && !isUnreadable(file.path, found);
}
