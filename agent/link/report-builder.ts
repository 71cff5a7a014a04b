import { Report } from '../../proto/gen/logfleet/v1/agent_service.ts';
import type { EntryStatus, FileStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { Observation } from '../collector.ts';

/** Keeps a report far below gRPC's 4 MiB. */
const FILES_MAX = 1_000;

/** Makes deltas of observations, for one stream: what has been said is not said again. */
export class ReportBuilder {
  #entries = new Map<string, EntryStatus>();
  #files = new Map<string, FileStatus>();
  #first = true;

  /** The reports that bring the controller up to date: at least one, for it carries the health. */
  build({ entries, files, health }: Observation, now: Date): Report[] {
    const changedEntries = entries.filter((entry) => differs(this.#entries.get(entry.entry), entry));
    const changedFiles = files.filter((file) => differs(this.#files.get(file.id), file));
    const removedEntries = missing(this.#entries, new Set(entries.map(({ entry }) => entry)));
    const removedFiles = missing(this.#files, new Set(files.map(({ id }) => id)));
    this.#entries = new Map(entries.map((entry) => [entry.entry, entry]));
    this.#files = new Map(files.map((file) => [file.id, file]));
    const full = this.#first;
    this.#first = false;
    const reports = [Report.create({ time: now, full, entries: changedEntries, removedEntries, health })];
    for (let at = 0; at < changedFiles.length; at += FILES_MAX) {
      if (at > 0) reports.push(Report.create({ time: now, health }));
      (reports.at(-1) as Report).files = changedFiles.slice(at, at + FILES_MAX);
    }
    for (let at = 0; at < removedFiles.length; at += FILES_MAX) {
      if (at > 0) reports.push(Report.create({ time: now, health }));
      (reports.at(-1) as Report).removedFiles = removedFiles.slice(at, at + FILES_MAX);
    }
    return reports;
  }
}

function missing(former: ReadonlyMap<string, unknown>, present: ReadonlySet<string>): string[] {
  return [...former.keys()].filter((key) => !present.has(key));
}

/** Statuses are flat: scalars, and dates that are compared by their time. */
function differs<Status extends object>(former: Status | undefined, next: Status): boolean {
  if (!former) return true;
  for (const key of Object.keys(next) as (keyof Status)[]) {
    const [a, b] = [former[key], next[key]];
    if (a !== b && !(a instanceof Date && b instanceof Date && a.getTime() === b.getTime())) return true;
  }
  return false;
}
