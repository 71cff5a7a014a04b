import { Agent, AgentIdentity } from '../../proto/gen/logfleet/v1/fleet.ts';
import { selectorLabels } from '../../proto/rules/agent-labels.ts';
import type { ReportedState } from './reported-state.ts';

/** Bounds of what is kept of an agent's last report. */
const ENTRIES_MAX = 200;
const STATE_BYTES_MAX = 64 * 1024;
const ERROR_CHARS_MAX = 4_096;

/** What etcd keeps of an agent until it is forgotten (`agents/AGENT`). */
export interface AgentRecord {
  identity: AgentIdentity;
  /** The labels that selectors see. */
  labels: Readonly<Record<string, string>>;
  controller: string;
  connectTime: Date;
  lastSeenTime: Date;
  /** The agent ended its last stream with a goodbye. */
  stopped: boolean;
  /**
   * Health and entries at the end of the last stream: a serialized Agent, parsed only when it is
   * shown.
   */
  lastState: string;
}

interface StoredRecord {
  identity: unknown;
  controller: string;
  connect_time: string;
  last_seen_time: string;
  stopped: boolean;
  last_state?: string;
}

export function encodeRecord(record: Omit<AgentRecord, 'labels'>): string {
  const stored: StoredRecord = {
    identity: AgentIdentity.toJSON(record.identity),
    controller: record.controller,
    connect_time: record.connectTime.toISOString(),
    last_seen_time: record.lastSeenTime.toISOString(),
    stopped: record.stopped,
    ...(record.lastState !== '' && { last_state: record.lastState }),
  };
  return JSON.stringify(stored, undefined, 1);
}

/** Throws when the value is not a record. */
export function parseRecord(value: string): AgentRecord {
  const stored = JSON.parse(value) as StoredRecord;
  const identity = AgentIdentity.fromJSON(stored.identity);
  return {
    identity,
    labels: selectorLabels(identity),
    controller: stored.controller,
    connectTime: new Date(stored.connect_time),
    lastSeenTime: new Date(stored.last_seen_time),
    stopped: stored.stopped,
    lastState: stored.last_state ?? '',
  };
}

/** The record of an agent whose stream begins, with the last state of its previous record. */
export function newRecord(
  identity: AgentIdentity,
  { controller, now, previous }: { controller: string; now: Date; previous: AgentRecord | undefined },
): string {
  const lastState = previous?.lastState ?? '';
  return encodeRecord({ identity, controller, connectTime: now, lastSeenTime: now, stopped: false, lastState });
}

/** What an ended stream leaves in its agent's record. */
interface EndedSession {
  identity: AgentIdentity;
  connectTime: Date;
  /** The agent said goodbye. */
  isStopped: boolean;
  reported: ReportedState;
}

/** The record of an agent whose stream ends. */
export function endedRecord(session: EndedSession, controller: string): string {
  const { identity, connectTime, isStopped, reported } = session;
  const { lastSeen: lastSeenTime, health } = reported;
  const lastState = health ? encodeState(reported) : '';
  return encodeRecord({ identity, controller, connectTime, lastSeenTime, stopped: isStopped, lastState });
}

/** Whether a new stream would change nothing in a record. This saves a write to etcd. */
export function isUpToDate(record: AgentRecord, identity: AgentIdentity): boolean {
  if (record.stopped) return false;
  return JSON.stringify(AgentIdentity.toJSON(record.identity)) === JSON.stringify(AgentIdentity.toJSON(identity));
}

/** What an agent reported last. It has no rates: the process does not read any more. */
export function decodeLastState({
  lastState,
}: AgentRecord): Pick<Agent, 'health' | 'entries' | 'fileCount' | 'clockSkewMs'> {
  const { health, entries, fileCount, clockSkewMs } = Agent.decode(Buffer.from(lastState, 'base64'));
  return {
    health: health && { ...health, bytesPerSecond: 0, linesPerSecond: 0, cpuCores: 0, eventLoopUtilization: 0 },
    entries: entries.map((status) => ({ ...status, bytesPerSecond: 0 })),
    fileCount,
    clockSkewMs,
  };
}

/** The last state as base64, with fewer parts until it is within the bounds. */
function encodeState(reported: ReportedState): string {
  const { health, entries, fileCount } = reported;
  const common = { health, fileCount, clockSkewMs: BigInt(reported.clockSkewMs) };
  const encode = (parts: Partial<Agent>) => Agent.encode(Agent.create({ ...common, ...parts })).finish();
  const shortHealth = health && { ...health, error: health.error.slice(0, ERROR_CHARS_MAX) };
  for (const parts of [{ entries: entries.slice(0, ENTRIES_MAX) }, { health: shortHealth }]) {
    const state = encode(parts);
    if (state.length <= STATE_BYTES_MAX) return Buffer.from(state).toString('base64');
  }
  return '';
}
