import type { Report } from '../../proto/gen/logfleet/v1/agent_service.ts';
import type { Fact } from '../../proto/gen/logfleet/v1/fact.ts';
import type { AgentHealth, AgentIdentity, EntryStatus, FileStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import { agentName, entryId } from '../../proto/rules/names.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { DesiredSets } from '../desired/desired-sets.ts';
import { invalidArgument } from '../errors/api-error.ts';
import { ClockSkew } from './clock-skew.ts';
import { type Furthest, ReportedFiles } from './reported-files.ts';

const FILES_MAX = 100_000;
const ENTRIES_MAX = 10_000;
/** The last facts of each kind: as many as an agent's full report has. */
const FACTS_KEPT = { loss: 1_000, sealed: 20 } as const;

/** What is noted of an entry that is being rolled out, beside what the agent last reported. */
export interface RolloutNote {
  etag: string;
  /** Bytes lost before the agent had this version; undefined when the stream began with it. */
  lostBefore: bigint | undefined;
  /** Since when it has reported the entry as FAILED. */
  failedMs: number | undefined;
}

/** What an agent has reported on its stream. In memory only. */
export class ReportedState {
  readonly identity: AgentIdentity;
  readonly #sets: DesiredSets;
  readonly #clock: Clock;
  readonly #entries = new Map<string, EntryStatus>();
  readonly #notes = new Map<string, RolloutNote>();
  readonly #files = new ReportedFiles();
  readonly #facts = { loss: new Map<string, Fact>(), sealed: new Map<string, Fact>() };
  readonly #skew = new ClockSkew();
  health: AgentHealth | undefined;
  lastSeen: Date;

  constructor(identity: AgentIdentity, { sets, clock, now }: { sets: DesiredSets; clock: Clock; now: Date }) {
    this.identity = identity;
    this.#sets = sets;
    this.#clock = clock;
    this.lastSeen = now;
  }

  get entries(): EntryStatus[] {
    return [...this.#entries.values()].sort((a, b) => (a.entry < b.entry ? -1 : 1));
  }

  /** In no order. */
  get statuses(): Iterable<EntryStatus> {
    return this.#entries.values();
  }

  noteOf(name: string): RolloutNote | undefined {
    return this.#notes.get(name);
  }

  statusOf(entry: string): EntryStatus | undefined {
    return this.#entries.get(entry);
  }

  /** The path of an entry's file that has most of something; empty when none has any. */
  furthestFile(entry: string, by: (file: Furthest) => number): string {
    return this.#files.furthest(entry, by);
  }

  /** By how much the agent's clock is ahead. */
  get clockSkewMs(): number {
    return this.#skew.ms;
  }

  get files(): FileStatus[] {
    return this.#files.all();
  }

  get facts(): Fact[] {
    return [...this.#facts.loss.values(), ...this.#facts.sealed.values()];
  }

  get fileCount(): number {
    return this.#files.size;
  }

  /** Takes a report in; throws INVALID_ARGUMENT for one that makes no sense. */
  take(report: Report, now: Date): void {
    requireTimes(report);
    if (report.full) {
      this.#entries.clear();
      this.#files.clear();
      this.#facts.loss.clear();
      this.#facts.sealed.clear();
    }
    for (const status of report.entries) {
      if (!entryId(status.entry)) throw noEntry(status.entry);
      const { name, etag } = this.#sets.shared(status.entry, status.etag);
      this.#note(status, this.#entries.get(name));
      this.#entries.set(name, Object.assign(status, { entry: name, etag }));
    }
    for (const status of report.files) this.#files.set(status, this.#sets.shared(status.entry, '').name);
    for (const fact of report.facts) this.#takeFact(fact);
    for (const name of report.removedEntries) {
      this.#entries.delete(name);
      this.#notes.delete(name);
    }
    for (const id of report.removedFiles) this.#files.delete(id);
    if (this.#files.size > FILES_MAX) throw tooMany('report.files', FILES_MAX);
    if (this.#entries.size > ENTRIES_MAX) throw tooMany('report.entries', ENTRIES_MAX);
    this.health = report.health ?? this.health;
    this.lastSeen = now;
    if (report.time) this.#skew.add(report.time.getTime(), now.getTime());
  }

  #note({ entry, etag, state }: EntryStatus, former: EntryStatus | undefined): void {
    const note = this.#notes.get(entry);
    const isFailed = state === 'STATE_FAILED';
    if (!isFailed && !this.#sets.isRolledOut(entry)) {
      this.#notes.delete(entry);
      return;
    }
    const lostBefore = note?.etag === etag ? note.lostBefore : former?.lostBytes;
    const sinceMs = note?.etag === etag ? note.failedMs : undefined;
    const failedMs = isFailed ? (sinceMs ?? this.#clock.monotonicMs()) : undefined;
    this.#notes.set(entry, { etag, lostBefore, failedMs });
  }

  /** The oldest of a kind makes room. One of a kind that this version does not know is left out. */
  #takeFact(fact: Fact): void {
    const kind = fact.kind?.$case;
    if (!kind) return;
    const kept = this.#facts[kind];
    kept.set(fact.id, { ...fact, agent: agentName(this.identity.agentId) });
    const [oldest] = kept.keys();
    if (kept.size > FACTS_KEPT[kind] && oldest !== undefined) kept.delete(oldest);
  }
}

/** What can't be serialized again would keep everybody from an answer that has it. */
function requireTimes({ health, facts }: Report): void {
  const fields = [
    ['report.health.start_time', health?.startTime],
    ...facts.map(({ time }) => ['report.facts.time', time] as const),
  ] as const;
  const wrong = fields.find(([, time]) => time && Number.isNaN(time.getTime()));
  if (wrong) throw invalidArgument([{ field: wrong[0], description: 'is no time that there is' }]);
}

function noEntry(name: string) {
  const description = `${JSON.stringify(name.slice(0, 100))} is not an entry's name: entries/ID`;
  return invalidArgument([{ field: 'report.entries.entry', description }]);
}

function tooMany(field: string, max: number) {
  return invalidArgument([{ field, description: `the agent reports more than ${max}: collect fewer with one agent` }]);
}
