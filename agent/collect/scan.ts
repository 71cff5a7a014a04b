import type { FoundFile, ScanResult, ScanRules } from './discovery.ts';
import type { Source } from './source.ts';

/** What one scan knows. */
export interface Scan {
  rules: ScanRules;
  found: ScanResult;
  /** The keys of the files found. */
  keys: ReadonlySet<string>;
  /** Sources that are at a path of the entry's, and what was found there. */
  present: Map<Source, FoundFile>;
  errors: Map<string, string>;
  /** Some files could not be opened, for too many are open. */
  waiting: boolean;
  signal: AbortSignal;
}
