import type { FoundFile } from '../../model/found-file.ts';
import type { ScanResult, ScanRules } from '../find/discovery.ts';

/** What a scan can find. It keeps its last sighting itself, because there are thousands. */
export interface Sighted {
  sightedBy: ScanSightings | undefined;
  sightedAs: FoundFile | undefined;
}

/** Which sources one scan found at paths of the entry, and as which files. */
export class ScanSightings {
  has(source: Sighted): boolean {
    return source.sightedBy === this;
  }

  fileOf(source: Sighted): FoundFile | undefined {
    return this.has(source) ? source.sightedAs : undefined;
  }

  add(source: Sighted, file: FoundFile): void {
    source.sightedBy = this;
    source.sightedAs = file;
  }
}

/** One scan of an entry's files, while it is evaluated. */
export interface Scan {
  readonly rules: ScanRules;
  readonly found: ScanResult;
  /** The keys of the files found. Made when first used. */
  readonly keys: ReadonlySet<string>;
  readonly present: ScanSightings;
  /** What is wrong, by path. */
  readonly errors: Map<string, string>;
  /** Some files were not opened, because as many are open as the limit allows. */
  waiting: boolean;
  readonly signal: AbortSignal;
}

export function beginScan(found: ScanResult, rules: ScanRules, signal: AbortSignal): Scan {
  let keys: ReadonlySet<string> | undefined;
  return {
    rules,
    found,
    get keys() {
      keys ??= new Set(found.files.map(({ key }) => key));
      return keys;
    },
    present: new ScanSightings(),
    errors: new Map(),
    waiting: false,
    signal,
  };
}
