import type { Agent, AgentHealth, EntryStatus } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { entryId } from '../../proto/rules/names.ts';

/** What is looked at of an agent to choose and to sort it. */
export interface Subject {
  readonly liveness: Agent['liveness'];
  readonly health: AgentHealth | undefined;
  readonly lastSeen: Date | undefined;
  readonly statuses: Iterable<EntryStatus>;
  statusOf(entry: string): EntryStatus | undefined;
}

/** Which agents are wanted, beside their labels. */
export interface AgentFilter {
  liveness: Agent['liveness'];
  entry: string;
  entryState: EntryStatus['state'];
  minLagBytes: bigint;
  minLagSeconds: number;
}

/** What agents are sorted by, and in which direction. Equal ones are in the order of their names. */
export interface AgentOrder {
  /** Undefined: by their names. */
  keyOf: ((subject: Subject) => number) | undefined;
  descending: boolean;
}

/** What an entry on an agent has as well as the agent as a whole. */
type Common = 'lagBytes' | 'lagSeconds' | 'lostBytes' | 'bytesPerSecond';

const KEYS = {
  lag_bytes: (subject: Subject, entry: string) => numberOf(subject, entry, 'lagBytes'),
  lag_seconds: (subject: Subject, entry: string) => numberOf(subject, entry, 'lagSeconds'),
  lost_bytes: (subject: Subject, entry: string) => numberOf(subject, entry, 'lostBytes'),
  bytes_per_second: (subject: Subject, entry: string) => numberOf(subject, entry, 'bytesPerSecond'),
  cpu: ({ health }: Subject) => finite(health?.cpuCores),
  resident_bytes: ({ health }: Subject) => finite(health?.residentBytes),
  last_seen: ({ lastSeen }: Subject) => lastSeen?.getTime() ?? 0,
};

/** Whether an agent is wanted; undefined when all are. */
export function agentFilter(filter: AgentFilter): ((subject: Subject) => boolean) | undefined {
  const { liveness, entry, entryState, minLagBytes, minLagSeconds } = filter;
  const byState = entryState !== 'STATE_UNSPECIFIED';
  const byLag = minLagBytes > 0n || minLagSeconds > 0;
  if (liveness === 'LIVENESS_UNSPECIFIED' && entry === '' && !byState && !byLag) return undefined;
  return (subject) => {
    if (liveness !== 'LIVENESS_UNSPECIFIED' && subject.liveness !== liveness) return false;
    if (entry !== '' && !subject.statusOf(entry)) return false;
    if (byState && !someIs(subject, entry, entryState)) return false;
    if (!byLag) return true;
    if (numberOf(subject, entry, 'lagBytes') < Number(minLagBytes)) return false;
    return numberOf(subject, entry, 'lagSeconds') >= minLagSeconds;
  };
}

/** Understands `order_by` as AIP-132 has it; what is wrong is added to `violations`. */
export function agentOrder(text: string, entry: string, violations: FieldViolation[]): AgentOrder {
  const [field = '', direction = 'asc', ...more] = text.trim().split(/\s+/);
  const descending = direction === 'desc';
  const isUnderstood = more.length === 0 && (descending || direction === 'asc');
  if (isUnderstood && Object.hasOwn(KEYS, field)) {
    const key = KEYS[field as keyof typeof KEYS];
    return { keyOf: (subject) => key(subject, entry), descending };
  }
  if (text.trim() !== '' && !(isUnderstood && field === 'name' && !descending)) {
    const description = `${JSON.stringify(text)} is no order: give name, or ${Object.keys(KEYS).join(', ')}, and perhaps " desc"`;
    violations.push({ field: 'order_by', description });
  }
  return { keyOf: undefined, descending: false };
}

/** Adds what is wrong with the name of the entry, if it is given. */
export function checkEntryName(entry: string, violations: FieldViolation[]): void {
  if (entry !== '' && !entryId(entry))
    violations.push({ field: 'entry', description: `${JSON.stringify(entry)} is not an entry's name: entries/NAME` });
}

export function subjectOf({ liveness, health, lastSeenTime, entries }: Agent): Subject {
  return {
    ...{ liveness, health, lastSeen: lastSeenTime, statuses: entries },
    statusOf: (name) => entries.find(({ entry }) => entry === name),
  };
}

function someIs(subject: Subject, entry: string, state: EntryStatus['state']): boolean {
  if (entry !== '') return isIn(subject.statusOf(entry), state);
  for (const status of subject.statuses) if (isIn(status, state)) return true;
  return false;
}

/** Files that can't be read are a failure, too. */
function isIn(status: EntryStatus | undefined, state: EntryStatus['state']): boolean {
  return status?.state === state || (state === 'STATE_FAILED' && (status?.failedFiles ?? 0) > 0);
}

function numberOf(subject: Subject, entry: string, field: Common): number {
  const from = entry === '' ? subject.health : subject.statusOf(entry);
  return finite(from?.[field]);
}

/** An agent may report whatever it likes. */
function finite(value: number | bigint | undefined): number {
  const number = Number(value ?? 0);
  return Number.isFinite(number) ? number : 0;
}
