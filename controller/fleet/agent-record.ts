import { Agent, AgentIdentity } from '../../proto/gen/logfleet/v1/fleet.ts';
import { selectorLabels } from '../../proto/rules/agent-labels.ts';
import type { AgentSession } from './agent-session.ts';

/** Of an agent that is gone so many entries are kept as they last were, and no more than so many bytes. */
const ENTRIES_KEPT = 200;
const STATE_BYTES_MAX = 64 * 1024;
const ERROR_CHARS_KEPT = 4_096;

/** What etcd keeps of an agent until it is forgotten. */
export interface AgentRecord {
  identity: AgentIdentity;
  /** The labels that selectors see. */
  labels: Readonly<Record<string, string>>;
  controller: string;
  connectTime: Date;
  lastSeenTime: Date;
  /** It said goodbye. */
  stopped: boolean;
  /** Health and entries as they were when its last stream ended: an Agent, serialized. Not parsed before somebody asks. */
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

/** As etcd keeps it. */
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

/** The record of an agent whose stream ends. */
export function endedRecord(session: AgentSession, controller: string): string {
  const { identity, connectTime, lastSeen, saidGoodbye, health } = session;
  const lastState = health ? stateOf(session) : '';
  return encodeRecord({ identity, controller, connectTime, lastSeenTime: lastSeen, stopped: saidGoodbye, lastState });
}

/** Throws for what makes no sense. */
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

/** Whether a stream that begins has nothing to add: then etcd is spared the write. */
export function saysAlready(record: AgentRecord, identity: AgentIdentity): boolean {
  if (record.stopped) return false;
  return JSON.stringify(AgentIdentity.toJSON(record.identity)) === JSON.stringify(AgentIdentity.toJSON(identity));
}

/** What an agent that is gone last reported. */
export function lastStateOf({
  lastState,
}: AgentRecord): Pick<Agent, 'health' | 'entries' | 'fileCount' | 'clockSkewMs'> {
  const { health, entries, fileCount, clockSkewMs } = Agent.decode(Buffer.from(lastState, 'base64'));
  return { health, entries, fileCount, clockSkewMs };
}

function stateOf({ health, entries, fileCount, clockSkewMs: skewMs }: AgentSession): string {
  const common = { health, fileCount, clockSkewMs: BigInt(skewMs) };
  const encode = (kept: Partial<Agent>) => Agent.encode(Agent.create({ ...common, ...kept })).finish();
  const brief = health && { ...health, error: health.error.slice(0, ERROR_CHARS_KEPT) };
  for (const kept of [{ entries: entries.slice(0, ENTRIES_KEPT) }, { health: brief }]) {
    const state = encode(kept);
    if (state.length <= STATE_BYTES_MAX) return Buffer.from(state).toString('base64');
  }
  return '';
}
