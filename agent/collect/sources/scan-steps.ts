import { hasChanged } from '../../model/fingerprint.ts';
import type { FoundFile } from '../../model/found-file.ts';
import { isUnreadable } from '../find/discovery.ts';
import type { Scan } from './scan.ts';
import type { Source } from './source.ts';
import type { SourceRegistry } from './source-registry.ts';

/**
 * The first step of a scan: notes the sources whose files are where they were, which are most of
 * thousands. Returns the other files, which must be identified.
 */
export function noteUnmoved({ found, present }: Scan, registry: SourceRegistry): FoundFile[] {
  const others: FoundFile[] = [];
  for (const file of found.files) {
    const source = registry.byPath(file.path);
    if (source && isUnmoved(source, file)) present.add(source, file);
    else others.push(file);
  }
  return others;
}

/**
 * Files whose generation may be open or known, and all others. It is found out first which of them
 * hold one: a new file may be the copy of one that was truncated, or of one that vanished, and it
 * may have the inode number of another.
 */
export function splitByKnown(
  files: readonly FoundFile[],
  registry: SourceRegistry,
): { known: readonly FoundFile[]; fresh: readonly FoundFile[] } {
  const isKnown = (file: FoundFile) => registry.byFile(file) || registry.knownWithInodeOf(file).length > 0;
  const { known = [], fresh = [] } = Object.groupBy(files, (file) => (isKnown(file) ? 'known' : 'fresh'));
  return { known, fresh };
}

/** The sources whose files have changed, failed last time, or have no path that the scan found. */
export function sourcesToObserve({ present }: Scan, registry: SourceRegistry): Source[] {
  const due: Source[] = [];
  for (const source of registry) {
    const found = present.fileOf(source);
    const isDue = found
      ? hasChanged({ size: source.file.fileSize, ctimeNs: source.file.ctimeNs }, found) || source.errors.current !== ''
      : source.file.isOpen;
    if (isDue) due.push(source);
  }
  return due;
}

/** What a scan says of an open source; undefined: nothing. */
export function verdictOn(source: Source, { present, rules, found }: Scan): 'found' | 'unmatched' | 'left' | undefined {
  if (present.has(source)) return 'found';
  if (!rules.matches(source.path)) return 'unmatched';
  // Below a folder that can't be read a file may still exist. A source that a file event opened
  // after the walk began may be at a path that the walk had passed already.
  if (isUnreadable(source.path, found) || source.order > rules.since) return undefined;
  return 'left';
}

/** The same file at the same path, in a state that being found does not change. */
function isUnmoved({ file: known }: Source, file: FoundFile): boolean {
  const { activity, phase, lastLine } = known.state;
  const isCalm = (activity === 'reading' || activity === 'paused') && phase === 'live' && lastLine === 'held';
  return isCalm && known.path === file.path && known.inode === file.inode && known.device === file.device;
}
