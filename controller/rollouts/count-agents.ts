import type { Fact } from '../../proto/gen/logfleet/v1/fact.ts';
import { RolloutCounts } from '../../proto/gen/logfleet/v1/rollout.ts';
import { type CountedEntry, EntryCounts } from '../../proto/gen/logfleet/v1/rollout_service.ts';
import { agentName } from '../../proto/rules/names.ts';
import type { Assignment } from '../desired/assignments.ts';
import { agentNumber } from '../desired/stage.ts';
import type { AgentSession } from '../fleet/agent-session.ts';

/** A failure counts after this time: a topic may be about to be created, or a leader may move. */
const FAILED_HOLD_MS = 5_000;
const FAILURES_MAX = 20;
/** The texts of agents are written to etcd. A huge one must not prevent a rollout from halting. */
const ERROR_CHARACTERS_MAX = 500;
const NUMBERS_MAX = 1_000_000;
const BYTES_MAX = 2n ** 62n - 1n;

/** Counts the agents of these sessions that an assignment concerns. */
export function countAgents(
  assignment: Assignment,
  sessions: Iterable<AgentSession>,
  { numbers: wanted }: Pick<CountedEntry, 'numbers'>,
  nowMs: number,
): EntryCounts {
  const counts = RolloutCounts.create();
  const numbers: bigint[] = [];
  const { name, split } = assignment;
  for (const session of sessions) {
    const { labels } = session;
    if (!assignment.concerns(labels)) continue;
    counts.connected++;
    const isSelected = split?.stage.isSelected(labels) ?? false;
    if (split && wanted > 0 && !isSelected) numbers.push(agentNumber(split.known.rollout.id, session.agentId));
    if (split && !split.stage.includes(labels)) continue;
    if (isSelected) counts.selected++;
    countOne(counts, assignment, session, nowMs);
  }
  counts.failures = firstFailures(counts.failures);
  const least = numbers.sort((a, b) => (a < b ? -1 : 1)).slice(0, Math.min(wanted, NUMBERS_MAX));
  return EntryCounts.create({ name, counts, numbers: least });
}

/** The sum of several controllers' counts. */
export function sumCounts(parts: readonly RolloutCounts[]): RolloutCounts {
  const sum = RolloutCounts.create();
  for (const part of parts) {
    sum.connected += part.connected;
    sum.inStage += part.inStage;
    sum.updated += part.updated;
    sum.failed += part.failed;
    sum.selected += part.selected;
    sum.lostBytes = bounded(sum.lostBytes + part.lostBytes);
    sum.failures = firstFailures([...sum.failures, ...part.failures]);
    if (part.maxLagBytes > sum.maxLagBytes) {
      sum.maxLagBytes = part.maxLagBytes;
      sum.maxLagAgent = part.maxLagAgent;
    }
  }
  return sum;
}

/** Reports are untrusted, and the sum must fit into an int64. */
function bounded(bytes: bigint): bigint {
  return bytes > BYTES_MAX ? BYTES_MAX : bytes;
}

/** Counts an agent of the stage. */
function countOne(counts: RolloutCounts, assignment: Assignment, session: AgentSession, nowMs: number): void {
  const { name, target } = assignment;
  counts.inStage++;
  const { reported } = session;
  const status = reported.status(name);
  if (!target.selector.matches(session.labels)) {
    // The version no longer selects this agent: it is up to date when it reports no status.
    if (!status && reported.health) counts.updated++;
    return;
  }
  if (status?.etag !== target.entry.etag) return;
  const agent = agentName(session.agentId);
  if (status.state === 'STATE_APPLIED' || status.state === 'STATE_PAUSED') counts.updated++;
  const { failedMs = nowMs } = session.reported.rolloutNote(name) ?? {};
  if (status.state === 'STATE_FAILED' && nowMs - failedMs >= FAILED_HOLD_MS) {
    counts.failed++;
    counts.failures.push({ agent, error: status.error.slice(0, ERROR_CHARACTERS_MAX) });
  }
  if (status.lagBytes > counts.maxLagBytes) {
    counts.maxLagBytes = status.lagBytes;
    counts.maxLagAgent = agent;
  }
  counts.lostBytes = bounded(counts.lostBytes + bounded(bytesLostSince(assignment, session, status.lostBytes)));
}

/**
 * The bytes that an agent lost since it got the version. If it has reconnected since, its losses
 * since the rollout began are added up.
 */
function bytesLostSince({ name, split }: Assignment, session: AgentSession, lostBytes: bigint): bigint {
  const began = split?.known.rollout.createTime;
  if (!began) return 0n;
  const { lostBefore } = session.reported.rolloutNote(name) ?? {};
  if (lostBefore !== undefined) return lostBytes > lostBefore ? lostBytes - lostBefore : 0n;
  const sinceMs = began.getTime() + session.reported.clockSkewMs;
  return session.reported.facts.reduce((sum, fact) => sum + bytesLostBy(fact, name, sinceMs), 0n);
}

function bytesLostBy({ kind, entry, time }: Fact, name: string, sinceMs: number): bigint {
  const isCounted = kind?.$case === 'loss' && entry === name && (time?.getTime() ?? 0) >= sinceMs;
  return isCounted ? kind.value.bytes : 0n;
}

function firstFailures(failures: RolloutCounts['failures']): RolloutCounts['failures'] {
  return failures.sort((a, b) => (a.agent < b.agent ? -1 : 1)).slice(0, FAILURES_MAX);
}
