import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import type { AgentHealth, EntryStatus, FileStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { Fact } from '../model/fact.ts';

/** The agent's state at one moment. */
export interface AgentReport {
  entries: EntryStatus[];
  files: FileStatus[];
  health: AgentHealth;
  /** The last losses and sealed files, the oldest of each kind first. */
  facts: readonly Fact[];
}

/**
 * Collects the desired entries: finds files, reads them, delivers their lines, stores positions.
 * The desired state may come from a controller, from its cache on disk, or from a local file.
 */
export interface Collector {
  /**
   * Makes `entries` the whole desired state. Other entries are stopped. It may be called at any
   * time, and the latest call wins. It returns at once and never throws for an entry that can't be
   * applied: the entry's EntryStatus says why.
   */
  apply(entries: readonly Entry[]): void;
  /** The state now. Cheap enough to be called every second with thousands of files. */
  report(): AgentReport;
  /**
   * Calls `listener` soon after the state, etag or error of an entry or file changed, but not a
   * position.
   */
  onChange(listener: () => void): void;
}
