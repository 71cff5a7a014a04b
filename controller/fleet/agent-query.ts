import type { Agent, AgentHealth, EntryStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { entryId } from '../../proto/rules/names.ts';

/** What a query reads of an agent to filter and to sort it. */
export interface AgentSubject {
  readonly liveness: Agent['liveness'];
  readonly health: AgentHealth | undefined;
  readonly lastSeen: Date | undefined;
  readonly statuses: Iterable<EntryStatus>;
  status(entry: string): EntryStatus | undefined;
}

/** The conditions on an agent in addition to its labels. */
export interface AgentFilter {
  liveness: Agent['liveness'];
  entry: string;
  entryState: EntryStatus['state'];
  minLagBytes: bigint;
  minLagSeconds: number;
}

/** The sort order of agents. Equal agents are sorted by name. */
export interface AgentOrder {
  /** Undefined: by name. */
  sortKey: ((subject: AgentSubject) => number) | undefined;
  descending: boolean;
}

/** Fields that both an agent's health and an entry's status have. */
type CommonField = 'lagBytes' | 'lagSeconds' | 'lostBytes' | 'bytesPerSecond';

const SORT_KEYS = {
  lag_bytes: (subject: AgentSubject, entry: string) => readNumber(subject, entry, 'lagBytes'),
  lag_seconds: (subject: AgentSubject, entry: string) => readNumber(subject, entry, 'lagSeconds'),
  lost_bytes: (subject: AgentSubject, entry: string) => readNumber(subject, entry, 'lostBytes'),
  bytes_per_second: (subject: AgentSubject, entry: string) => readNumber(subject, entry, 'bytesPerSecond'),
  cpu: ({ health }: AgentSubject) => finite(health?.cpuCores),
  resident_bytes: ({ health }: AgentSubject) => finite(health?.residentBytes),
  last_seen: ({ lastSeen }: AgentSubject) => lastSeen?.getTime() ?? 0,
};

/** A filter of agents; undefined when it passes all of them. */
export function agentFilter(filter: AgentFilter): ((subject: AgentSubject) => boolean) | undefined {
  const { liveness, entry, entryState, minLagBytes, minLagSeconds } = filter;
  const byState = entryState !== 'STATE_UNSPECIFIED';
  const byLag = minLagBytes > 0n || minLagSeconds > 0;
  if (liveness === 'LIVENESS_UNSPECIFIED' && entry === '' && !byState && !byLag) return undefined;
  return (subject) => {
    if (liveness !== 'LIVENESS_UNSPECIFIED' && subject.liveness !== liveness) return false;
    if (entry !== '' && !subject.status(entry)) return false;
    if (byState && !hasStatusIn(subject, entry, entryState)) return false;
    if (!byLag) return true;
    if (readNumber(subject, entry, 'lagBytes') < Number(minLagBytes)) return false;
    return readNumber(subject, entry, 'lagSeconds') >= minLagSeconds;
  };
}

/** Parses `order_by` (AIP-132), and adds what is wrong to `violations`. */
export function agentOrder(text: string, entry: string, violations: FieldViolation[]): AgentOrder {
  const [field = '', direction = 'asc', ...more] = text.trim().split(/\s+/);
  const descending = direction === 'desc';
  const isValid = more.length === 0 && (descending || direction === 'asc');
  if (isValid && Object.hasOwn(SORT_KEYS, field)) {
    const key = SORT_KEYS[field as keyof typeof SORT_KEYS];
    return { sortKey: (subject) => key(subject, entry), descending };
  }
  if (text.trim() !== '' && !(isValid && field === 'name' && !descending)) {
    const description = `${JSON.stringify(text)} is not an order: give name, or one of ${Object.keys(SORT_KEYS).join(', ')}, and optionally " desc"`;
    violations.push({ field: 'order_by', description });
  }
  return { sortKey: undefined, descending: false };
}

/** Adds a violation unless the name of the entry is empty or valid. */
export function checkEntryName(entry: string, violations: FieldViolation[]): void {
  if (entry !== '' && !entryId(entry))
    violations.push({ field: 'entry', description: `${JSON.stringify(entry)} is not an entry's name: entries/NAME` });
}

/** The subject of an agent as a client sees it. */
export function agentSubject({ liveness, health, lastSeenTime, entries }: Agent): AgentSubject {
  return {
    ...{ liveness, health, lastSeen: lastSeenTime, statuses: entries },
    status: (name) => entries.find(({ entry }) => entry === name),
  };
}

function hasStatusIn(subject: AgentSubject, entry: string, state: EntryStatus['state']): boolean {
  if (entry !== '') return isInState(subject.status(entry), state);
  for (const status of subject.statuses) if (isInState(status, state)) return true;
  return false;
}

/** Unreadable files count as a failure. */
function isInState(status: EntryStatus | undefined, state: EntryStatus['state']): boolean {
  return status?.state === state || (state === 'STATE_FAILED' && (status?.failedFiles ?? 0) > 0);
}

function readNumber(subject: AgentSubject, entry: string, field: CommonField): number {
  const from = entry === '' ? subject.health : subject.status(entry);
  return finite(from?.[field]);
}

/** Reports are untrusted. */
function finite(value: number | bigint | undefined): number {
  const number = Number(value ?? 0);
  return Number.isFinite(number) ? number : 0;
}
