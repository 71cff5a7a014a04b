import { type Rollout, RolloutAccepted, type RolloutCounts } from '../../proto/gen/logfleet/v1/rollout.ts';
import { shortAgentName } from '../../proto/rules/names.ts';

const FAILURES_NAMED = 3;

/** What is known of a rollout's agents at one moment. */
export interface Health {
  counts: RolloutCounts;
  /** Agents that the version concerns and that are not connected. */
  away: number;
}

/** What is to become of the present step: it has failed, all agents have `settled`, or it is not so far yet. */
export type Verdict = { kind: 'failed'; reason: string } | { kind: 'settled' } | { kind: 'waiting' };

/** Judges the present step of a rollout that is PROGRESSING. `waitedMs`: since it began, or since all of its agents had last settled. */
export function judge(rollout: Rollout, { counts, away }: Health, waitedMs: number): Verdict {
  const { plan, accepted = RolloutAccepted.create() } = rollout;
  const { maxFailed = 0, maxLostBytes = 0n, maxLagBytes = 0n, progressDeadlineMs = 0n } = plan ?? {};
  const { connected, inStage, updated, failed, lostBytes } = counts;
  if (failed > maxFailed + accepted.failed) return { kind: 'failed', reason: failedReason(counts) };
  if (lostBytes > maxLostBytes + accepted.lostBytes)
    return { kind: 'failed', reason: `${lostBytes} bytes are lost: see logfleet get losses` };
  if (maxLagBytes > 0n && counts.maxLagBytes > maxLagBytes && counts.maxLagBytes > accepted.lagBytes) {
    const reason = `${shortAgentName(counts.maxLagAgent)} lags by ${counts.maxLagBytes} bytes, more than ${maxLagBytes}`;
    return { kind: 'failed', reason };
  }
  // With nobody there to try it, it would go to all untried.
  const isTried = inStage > 0 || connected + away === 0;
  if (isTried && updated + failed >= inStage) return { kind: 'settled' };
  if (waitedMs <= Number(progressDeadlineMs)) return { kind: 'waiting' };
  const within = `within ${Number(progressDeadlineMs) / 1000} s`;
  if (!isTried) return { kind: 'failed', reason: `no agent of the stage was connected ${within}` };
  return { kind: 'failed', reason: `${agents(inStage - updated - failed)} did not apply it ${within}` };
}

function failedReason({ failed, failures }: RolloutCounts): string {
  const named = failures.slice(0, FAILURES_NAMED).map(({ agent, error }) => `${shortAgentName(agent)}: ${error}`);
  const more = failed > named.length ? `; and ${failed - named.length} more` : '';
  return `${agents(failed)} failed: ${named.join('; ')}${more}`;
}

function agents(count: number): string {
  return count === 1 ? '1 agent' : `${count} agents`;
}
