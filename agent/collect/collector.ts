import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { AgentHealth, EntryStatus, FileStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { Fact } from '../model/fact.ts';

/** What the agent observes of its own work; positions as of now. */
export interface AgentReport {
  entries: EntryStatus[];
  files: FileStatus[];
  health: AgentHealth;
  /** The last losses and sealed files, the oldest of each kind first. */
  facts: readonly Fact[];
}

/**
 * Collects what is desired: finds files, reads them, delivers their lines, keeps positions. It neither knows nor cares
 * whether the desired state came from a controller, from its cache on disk, or from a local file.
 */
export interface Collector {
  /**
   * Makes `entries` the whole desired state; entries that are not in it are stopped. Latest wins: may be called again
   * at any time, returns at once, and never throws for an entry that can't be applied (its EntryStatus says why).
   */
  apply(entries: readonly Entry[]): void;
  /** What is so now. Cheap enough to be called every second with thousands of files. */
  report(): AgentReport;
  /** Calls `listener` soon after the state, the etag or the error of any entry or file changed (not a mere position). */
  onChange(listener: () => void): void;
}
