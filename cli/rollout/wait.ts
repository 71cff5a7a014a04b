import { RolloutCounts, type RolloutStatus } from '../../proto/gen/logfleet/v1/rollout.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import type { ControllerApi } from '../rpc/client.ts';

/** A version of an entry that agents are to apply; without an etag its present one. */
export interface Awaited {
  name: string;
  etag: string;
}

type Outcome = { kind: 'waiting' } | { kind: 'done' } | { kind: 'failed'; text: string };

const FOLLOWED_AT_ONCE = 8;

/** Waits until all agents have applied all of them, whatever becomes of one. Tells each failure on standard error, and throws CliError for the last. */
export async function waitForAll(
  api: ControllerApi,
  targets: readonly Awaited[],
  timeoutMs: number,
  write: (text: string) => void,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  const failures: unknown[] = [];
  const waiting = [...targets];
  const follow = async () => {
    for (let target = waiting.shift(); target; target = waiting.shift()) {
      try {
        await waitFor(api, target, Math.max(1, deadlineMs - performance.now()), write);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: FOLLOWED_AT_ONCE }, follow));
  if (failures.length === 0) return;
  for (const failure of failures.slice(0, -1)) process.stderr.write(`error: ${(failure as Error).message}\n`);
  throw failures.at(-1);
}

/** Follows one entry until it is done; `timeoutMs` may be infinite. Throws CliError when it has failed or takes too long. */
export async function waitFor(
  api: ControllerApi,
  { name, etag }: Awaited,
  timeoutMs: number,
  write: (text: string) => void,
): Promise<void> {
  const signal = Number.isFinite(timeoutMs) ? AbortSignal.timeout(Math.ceil(timeoutMs)) : undefined;
  const stream = api.follow(api.rollouts.watchRollout({ name }, signal ? { signal } : {}));
  let wanted = etag;
  let line = `waiting for ${shortName(name)}`;
  try {
    for await (const status of stream) {
      wanted ||= status.etag;
      const outcome = outcomeOf(status, wanted);
      const next = progressLine(status);
      if (outcome.kind === 'waiting' && next !== line) write(`Waiting for ${next}\n`);
      line = next;
      if (outcome.kind === 'waiting') continue;
      tellRest(status);
      if (outcome.kind === 'failed') throw new CliError(exitCodes.refused, outcome.text);
      write(`${shortName(name)} successfully rolled out to ${agents(countsOf(status).updated)}\n`);
      return;
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
    throw new CliError(exitCodes.refused, `timed out waiting for ${line}`, { cause: error });
  }
}

/** `entry/app: step 1 of 3 (10%), 3 of 10 agents have applied it` */
export function progressLine(status: RolloutStatus): string {
  const { entry, unreachable } = status;
  const { inStage, updated, failed } = countsOf(status);
  const applied = `${updated} of ${agents(inStage)} applied`;
  const also = failed > 0 ? `, ${failed} failed` : '';
  const silent =
    unreachable.length > 0 ? `; ${unreachable.join(', ')} ${unreachable.length === 1 ? 'does' : 'do'} not answer` : '';
  return `${shortName(entry)}: ${stepText(status)}${applied}${also}${silent}`;
}

/** What is to be told beside how it ended: who failed, and whom nobody waited for. */
export function tellRest(status: RolloutStatus): void {
  const { failed, failures } = countsOf(status);
  const name = shortName(status.entry);
  for (const { agent, error } of failures)
    process.stderr.write(`error: ${name}: ${agent.replace(/^agents\//, '')}: ${error}\n`);
  if (failed > failures.length) process.stderr.write(`error: ${name}: and ${failed - failures.length} more\n`);
  if (status.away > 0)
    process.stderr.write(`warning: ${name}: ${agents(status.away)} not connected, and not waited for\n`);
}

/** Where the waiting for version `wanted` stands. */
export function outcomeOf(status: RolloutStatus, wanted: string): Outcome {
  const { entry, etag, rollout, current, unreachable } = status;
  const name = shortName(entry);
  if (etag !== wanted) {
    const why =
      rollout?.state === 'STATE_UNDONE' && !current ? `the rollout was ${rollout.reason}` : 'it was written again';
    return { kind: 'failed', text: `${name}: ${why}` };
  }
  if (current && rollout?.state === 'STATE_HALTED')
    return { kind: 'failed', text: `the rollout of ${name} has halted: ${rollout.reason}` };
  if (isMoving(status)) return { kind: 'waiting' };
  const { inStage, updated, failed } = countsOf(status);
  if (updated + failed < inStage || unreachable.length > 0) return { kind: 'waiting' };
  // What a plan allows to fail is no failure of the rollout.
  if (failed === 0 || (current && rollout)) return { kind: 'done' };
  return { kind: 'failed', text: `${failed} of ${agents(inStage)} failed to apply ${name}` };
}

export function countsOf({ counts }: RolloutStatus): RolloutCounts {
  return counts ?? RolloutCounts.create();
}

function isMoving({ current, rollout }: RolloutStatus): boolean {
  return current && (rollout?.state === 'STATE_PROGRESSING' || rollout?.state === 'STATE_PAUSED');
}

function stepText(status: RolloutStatus): string {
  const { rollout } = status;
  if (!rollout || !isMoving(status)) return '';
  const steps = rollout.plan?.steps ?? [];
  const canary = steps[rollout.step - 1]?.canary;
  const paused = rollout.state === 'STATE_PAUSED' ? `, ${rollout.reason || 'paused'}` : '';
  return `step ${rollout.step} of ${steps.length}${canary === undefined ? '' : ` (${canary})`}${paused}, `;
}

function shortName(entry: string): string {
  return `entry/${entry.replace(/^entries\//, '')}`;
}

function agents(count: number): string {
  return count === 1 ? '1 agent' : `${count} agents`;
}
