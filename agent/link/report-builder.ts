import { Report } from '../../proto/gen/logfleet/v1/agent_service.ts';
import type { EntryStatus, FileStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { AgentReport } from '../collect/collector.ts';
import { factMessage } from './fact-message.ts';

/** Keeps a report far below gRPC's 4 MiB: so many files, or facts. */
const ITEMS_MAX = 1_000;

/** Makes deltas of observations, for one stream: what has been said is not said again. */
export class ReportBuilder {
  readonly #entries = new Map<string, EntryStatus>();
  readonly #files = new Map<string, FileStatus>();
  #facts = new Set<string>();
  #first = true;

  /**
   * The reports that bring the controller up to date: at least one, for it carries the health. Not `isDue`: what has changed but for
   * mere positions, which wait for their time, so that an acknowledgement is small.
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

/** Removes what is not among `present`, all of which are in `told`, each with a key of its own; returns their keys. */
function removeOthers<Status>(
  told: Map<string, Status>,
  present: readonly Status[],
  keyOf: (status: Status) => string,
): string[] {
  if (told.size === present.length) return [];
  const keys = new Set(present.map(keyOf));
  const others = [...told.keys()].filter((key) => !keys.has(key));
  for (const key of others) told.delete(key);
  return others;
}

/** Whether a file is new, or does not go as it did. */
function hasChangedState(former: FileStatus | undefined, next: FileStatus): boolean {
  const { state, lastError, path, replayId } = next;
  const same = former?.state === state && former.lastError === lastError && former.path === path;
  return !same || former.replayId !== replayId;
}

/** Statuses are flat: scalars, and dates that are compared by their time. */
function hasChanged<Status extends object>(former: Status | undefined, next: Status): boolean {
  if (!former) return true;
  for (const key of Object.keys(next) as (keyof Status)[]) {
    const [a, b] = [former[key], next[key]];
    if (a !== b && !(a instanceof Date && b instanceof Date && a.getTime() === b.getTime())) return true;
  }
  return false;
}
