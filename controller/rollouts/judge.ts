import { type Rollout, RolloutAccepted, type RolloutCounts } from '../../proto/gen/logfleet/v1/rollout.ts';
import { shortAgentName } from '../../proto/rules/names.ts';

const FAILURES_NAMED = 3;

/** The state of a rollout's agents at one moment. */
export interface RolloutHealth {
  counts: RolloutCounts;
  /** Agents that the version concerns and that are disconnected. */
  disconnected: number;
}

/**
 * `settled`: every agent of the stage has applied the version, or failed within the plan's limit.
 */
export type Verdict = { kind: 'failed'; reason: string } | { kind: 'settled' } | { kind: 'waiting' };

/**
 * Judges the present step of a rollout in PROGRESSING. `waitedMs`: the time since the step began,
 * or since all of its agents were last settled.
 */
export function judge(rollout: Rollout, { counts, disconnected }: RolloutHealth, waitedMs: number): Verdict {
  const { plan, accepted = RolloutAccepted.create() } = rollout;
  const { maxFailed = 0, maxLostBytes = 0n, maxLagBytes = 0n, progressDeadlineMs = 0n } = plan ?? {};
  const { connected, inStage, updated, failed, lostBytes } = counts;
  if (failed > maxFailed + accepted.failed) return { kind: 'failed', reason: describeFailures(counts) };
  if (lostBytes > maxLostBytes + accepted.lostBytes)
    return { kind: 'failed', reason: `${lostBytes} bytes were lost: see logfleet get losses` };
  if (maxLagBytes > 0n && counts.maxLagBytes > maxLagBytes && counts.maxLagBytes > accepted.lagBytes) {
    const agent = shortAgentName(counts.maxLagAgent);
    return { kind: 'failed', reason: `${agent} lags by ${counts.maxLagBytes} bytes, more than ${maxLagBytes}` };
  }
  // A stage without connected agents proves nothing: the version would go to all of them untried.
  const isTried = inStage > 0 || connected + disconnected === 0;
  if (isTried && updated + failed >= inStage) return { kind: 'settled' };
  if (waitedMs <= Number(progressDeadlineMs)) return { kind: 'waiting' };
  const within = `within ${Number(progressDeadlineMs) / 1000} s`;
  if (!isTried) return { kind: 'failed', reason: `no agent of the stage was connected ${within}` };
  return { kind: 'failed', reason: `${agentCount(inStage - updated - failed)} did not apply it ${within}` };
}

function describeFailures({ failed, failures }: RolloutCounts): string {
  const named = failures.slice(0, FAILURES_NAMED).map(({ agent, error }) => `${shortAgentName(agent)}: ${error}`);
  const more = failed > named.length ? `; and ${failed - named.length} more` : '';
  return `${agentCount(failed)} failed: ${named.join('; ')}${more}`;
}

function agentCount(count: number): string {
  return count === 1 ? '1 agent' : `${count} agents`;
}
