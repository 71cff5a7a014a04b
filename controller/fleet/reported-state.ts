import type { Report } from '../../proto/gen/logfleet/v1/agent_service.ts';
import type { Fact } from '../../proto/gen/logfleet/v1/fact.ts';
import type { AgentHealth, EntryStatus, FileStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import { agentName, entryId } from '../../proto/rules/names.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { DesiredSets } from '../desired/desired-sets.ts';
import { invalidArgument } from '../errors/api-error.ts';
import { ClockSkew } from './clock-skew.ts';
import { type FileUrgency, ReportedFiles } from './reported-files.ts';

const FILES_MAX = 100_000;
const ENTRIES_MAX = 10_000;
/** The last facts of each kind: as many as an agent's full report has. */
const FACTS_MAX = { loss: 1_000, sealed: 20, begun: 20 } as const;

/** What the controller itself observes of an entry that is being rolled out. */
export interface RolloutNote {
  etag: string;
  /** Bytes lost before the agent had this version; undefined when the stream began with it. */
  lostBefore: bigint | undefined;
  /** Since when the agent has reported the entry as FAILED. */
  failedMs: number | undefined;
}

/** What an agent has reported on its stream. Full reports replace everything, others are deltas. */
export class ReportedState {
  readonly #agentId: string;
  readonly #desired: DesiredSets;
  readonly #clock: Clock;
  readonly #entries = new Map<string, EntryStatus>();
  readonly #notes = new Map<string, RolloutNote>();
  readonly #files = new ReportedFiles();
  readonly #facts = {
    loss: new Map<string, Fact>(),
    sealed: new Map<string, Fact>(),
    begun: new Map<string, Fact>(),
  };
  readonly #skew = new ClockSkew();
  #health: AgentHealth | undefined;
  #lastSeen: Date;

  constructor(agentId: string, { desired, clock, now }: { desired: DesiredSets; clock: Clock; now: Date }) {
    this.#agentId = agentId;
    this.#desired = desired;
    this.#clock = clock;
    this.#lastSeen = now;
  }

  get health(): AgentHealth | undefined {
    return this.#health;
  }

  get lastSeen(): Date {
    return this.#lastSeen;
  }

  /** The statuses of all entries, sorted by name. */
  get entries(): EntryStatus[] {
    return [...this.#entries.values()].sort((a, b) => (a.entry < b.entry ? -1 : 1));
  }

  /** The statuses of all entries, unsorted. */
  statuses(): Iterable<EntryStatus> {
    return this.#entries.values();
  }

  status(entry: string): EntryStatus | undefined {
    return this.#entries.get(entry);
  }

  rolloutNote(entry: string): RolloutNote | undefined {
    return this.#notes.get(entry);
  }

  get files(): FileStatus[] {
    return this.#files.all();
  }

  get fileCount(): number {
    return this.#files.size;
  }

  /** The path of an entry's file with the highest `urgency`; empty when none has any. */
  mostUrgentFile(entry: string, urgency: (file: FileUrgency) => number): string {
    return this.#files.mostUrgent(entry, urgency);
  }

  get facts(): Fact[] {
    return Object.values(this.#facts).flatMap((facts) => [...facts.values()]);
  }

  /** How far the agent's clock is ahead. */
  get clockSkewMs(): number {
    return this.#skew.ms;
  }

  /** Takes in a report. Throws INVALID_ARGUMENT when it is invalid. */
  apply(report: Report, now: Date): void {
    requireValidTimes(report);
    if (report.full) {
      this.#entries.clear();
      this.#files.clear();
      for (const facts of Object.values(this.#facts)) facts.clear();
    }
    for (const status of report.entries) {
      if (!entryId(status.entry)) throw invalidEntryName(status.entry);
      const { name, etag } = this.#desired.intern(status.entry, status.etag);
      this.#note(status, this.#entries.get(name));
      this.#entries.set(name, Object.assign(status, { entry: name, etag }));
    }
    for (const status of report.files) this.#files.set(status, this.#desired.intern(status.entry, '').name);
    for (const fact of report.facts) this.#addFact(fact);
    for (const name of report.removedEntries) {
      this.#entries.delete(name);
      this.#notes.delete(name);
    }
    for (const id of report.removedFiles) this.#files.delete(id);
    if (this.#files.size > FILES_MAX) throw tooMany('report.files', FILES_MAX);
    if (this.#entries.size > ENTRIES_MAX) throw tooMany('report.entries', ENTRIES_MAX);
    this.#health = report.health ?? this.#health;
    this.#lastSeen = now;
    if (report.time) this.#skew.add(report.time.getTime(), now.getTime());
  }

  #note({ entry, etag, state }: EntryStatus, previous: EntryStatus | undefined): void {
    const note = this.#notes.get(entry);
    const isFailed = state === 'STATE_FAILED';
    if (!isFailed && !this.#desired.isRolledOut(entry)) {
      this.#notes.delete(entry);
      return;
    }
    const lostBefore = note?.etag === etag ? note.lostBefore : previous?.lostBytes;
    const sinceMs = note?.etag === etag ? note.failedMs : undefined;
    const failedMs = isFailed ? (sinceMs ?? this.#clock.monotonicMs()) : undefined;
    this.#notes.set(entry, { etag, lostBefore, failedMs });
  }

  /** Drops the oldest fact of the kind when there are too many, and facts of an unknown kind. */
  #addFact(fact: Fact): void {
    const kind = fact.kind?.$case;
    if (!kind) return;
    const facts = this.#facts[kind];
    facts.set(fact.id, { ...fact, agent: agentName(this.#agentId) });
    const [oldest] = facts.keys();
    if (facts.size > FACTS_MAX[kind] && oldest !== undefined) facts.delete(oldest);
  }
}

/** An invalid time cannot be serialized again: every response with it would fail. */
function requireValidTimes({ health, facts }: Report): void {
  const fields = [
    ['report.health.start_time', health?.startTime],
    ...facts.map(({ time }) => ['report.facts.time', time] as const),
  ] as const;
  const wrong = fields.find(([, time]) => time && Number.isNaN(time.getTime()));
  if (wrong) throw invalidArgument([{ field: wrong[0], description: 'is not a valid time' }]);
}

function invalidEntryName(name: string) {
  const description = `${JSON.stringify(name.slice(0, 100))} is not an entry's name: entries/ID`;
  return invalidArgument([{ field: 'report.entries.entry', description }]);
}

function tooMany(field: string, max: number) {
  return invalidArgument([{ field, description: `the agent reports more than ${max}: collect fewer with one agent` }]);
}
