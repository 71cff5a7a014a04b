import { Report } from '../../proto/gen/logfleet/v1/agent_service.ts';
import type { EntryStatus, FileStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { AgentReport } from '../collect/collector.ts';
import { factMessage } from './fact-message.ts';

/** The most files or facts in one report, which keeps it far below gRPC's limit of 4 MiB. */
const ITEMS_MAX = 1_000;

/** Turns the agent's reports into deltas for one stream. What was sent is not sent again. */
export class ReportBuilder {
  readonly #entries = new Map<string, EntryStatus>();
  readonly #files = new Map<string, FileStatus>();
  #facts = new Set<string>();
  #first = true;

  /**
   * The messages that bring the controller up to date. There is at least one, which has the health.
   * If no full report `isDue`, changes of positions only are left out, so that the acknowledgement
   * of an entry is small.
   */
  build({ entries, files, health, facts }: AgentReport, now: Date, isDue: boolean): Report[] {
    const changedEntries = entries.filter((entry) => hasChanged(this.#entries.get(entry.entry), entry));
    const changes = isDue ? hasChanged : hasChangedState;
    const changedFiles = files.filter((file) => changes(this.#files.get(file.id), file));
    const newFacts = facts.filter(({ id }) => !this.#facts.has(id));
    for (const entry of changedEntries) this.#entries.set(entry.entry, entry);
    for (const file of changedFiles) this.#files.set(file.id, file);
    const removedEntries = removeOthers(this.#entries, entries, ({ entry }) => entry);
    const removedFiles = removeOthers(this.#files, files, ({ id }) => id);
    this.#facts = new Set(facts.map(({ id }) => id));
    const full = this.#first;
    this.#first = false;
    const reports = [Report.create({ time: now, full, entries: changedEntries, removedEntries, health })];
    const add = <Item>(items: readonly Item[], put: (report: Report, part: Item[]) => void) => {
      for (let at = 0; at < items.length; at += ITEMS_MAX) {
        if (at > 0) reports.push(Report.create({ time: now, health }));
        put(reports.at(-1) as Report, items.slice(at, at + ITEMS_MAX));
      }
    };
    add(changedFiles, (report, part) => {
      report.files = part;
    });
    add(removedFiles, (report, part) => {
      report.removedFiles = part;
    });
    add(newFacts.map(factMessage), (report, part) => {
      report.facts = part;
    });
    return reports;
  }
}

/**
 * Removes what is not in `present` from `sent`, and returns the removed keys. Every item of
 * `present` is in `sent`, with a unique key.
 */
function removeOthers<Status>(
  sent: Map<string, Status>,
  present: readonly Status[],
  keyOf: (status: Status) => string,
): string[] {
  if (sent.size === present.length) return [];
  const keys = new Set(present.map(keyOf));
  const others = [...sent.keys()].filter((key) => !keys.has(key));
  for (const key of others) sent.delete(key);
  return others;
}

/** Whether a file is new, or more than its position changed. */
function hasChangedState(previous: FileStatus | undefined, next: FileStatus): boolean {
  const { state, lastError, path, replayId } = next;
  const same = previous?.state === state && previous.lastError === lastError && previous.path === path;
  return !same || previous.replayId !== replayId;
}

/**
 * Whether a status changed. Statuses are flat: scalars, and dates, which are compared by their
 * time.
 */
function hasChanged<Status extends object>(previous: Status | undefined, next: Status): boolean {
  if (!previous) return true;
  for (const key of Object.keys(next) as (keyof Status)[]) {
    const [a, b] = [previous[key], next[key]];
    if (a !== b && !(a instanceof Date && b instanceof Date && a.getTime() === b.getTime())) return true;
  }
  return false;
}
