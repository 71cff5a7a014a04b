import type { FoundFile } from '../../model/found-file.ts';
import type { ScanResult, ScanRules } from '../find/discovery.ts';
import type { Source } from './source.ts';

/** Which sources a scan has found at paths of the entry's, and as which files. It is written at the sources: there are thousands. */
export class ScanSightings {
  has(source: Source): boolean {
    return source.metBy === this;
  }

  fileOf(source: Source): FoundFile | undefined {
    return this.has(source) ? source.metAs : undefined;
  }

  met(source: Source, file: FoundFile): void {
    source.metBy = this;
    source.metAs = file;
  }
}

/** What one scan knows. */
export interface Scan {
  rules: ScanRules;
  found: ScanResult;
  /** The keys of the files found; made when they are asked for. */
  readonly keys: ReadonlySet<string>;
  present: ScanSightings;
  errors: Map<string, string>;
  /** Some files could not be opened, for too many are open. */
  waiting: boolean;
  signal: AbortSignal;
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

/** The same file at the same path, and nothing else is going on with it. */
export function isWhereItWas({ path, state, phase, device, inode }: Source, file: FoundFile): boolean {
  const calm = (state === 'READING' || state === 'PAUSED') && phase === 'live';
  return calm && path === file.path && inode === file.inode && device === file.device;
}
