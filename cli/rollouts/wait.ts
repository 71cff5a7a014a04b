import type { RolloutStatus } from '../../proto/gen/logfleet/v1/rollout.ts';
import { shortAgentName, shortEntryName } from '../../proto/rules/names.ts';
import { countsOf } from '../kinds/rollouts.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import { printError, printWarning } from '../output/messages.ts';
import type { ControllerApi } from '../rpc/client.ts';

/** A version of an entry to wait for; an empty etag means the present version. */
export interface TargetVersion {
  name: string;
  etag: string;
}

type Outcome = { kind: 'waiting' } | { kind: 'done' } | { kind: 'failed'; text: string };

const CONCURRENT_STREAMS_MAX = 8;

/**
 * Waits until all agents have applied all versions, even when one fails. Prints all failures but
 * the last, which it throws as CliError.
 */
export async function waitForAll(
  api: ControllerApi,
  targets: readonly TargetVersion[],
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
  await Promise.all(Array.from({ length: CONCURRENT_STREAMS_MAX }, follow));
  if (failures.length === 0) return;
  for (const failure of failures.slice(0, -1)) printError(failure);
  throw failures.at(-1);
}

/**
 * Follows one entry until it is done; `timeoutMs` may be infinite. Throws CliError on failure and
 * timeout.
 */
export async function waitFor(
  api: ControllerApi,
  { name, etag }: TargetVersion,
  timeoutMs: number,
  write: (text: string) => void,
): Promise<void> {
  const signal = Number.isFinite(timeoutMs) ? AbortSignal.timeout(Math.ceil(timeoutMs)) : undefined;
  const stream = api.follow(api.rollouts.watchRollout({ name }, signal ? { signal } : {}));
  let wanted = etag;
  let line = `waiting for ${entryWord(name)}`;
  try {
    for await (const status of stream) {
      wanted ||= status.etag;
      const outcome = outcomeOf(status, wanted);
      const next = progressLine(status);
      if (outcome.kind === 'waiting' && next !== line) write(`Waiting for ${next}\n`);
      line = next;
      if (outcome.kind === 'waiting') continue;
      printRemarks(status);
      if (outcome.kind === 'failed') throw new CliError(exitCodes.refused, outcome.text);
      write(`${entryWord(name)} successfully rolled out to ${agents(countsOf(status).updated)}\n`);
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
    unreachable.length > 0 ? `; ${unreachable.join(', ')} ${unreachable.length === 1 ? 'does' : 'do'} not respond` : '';
  return `${entryWord(entry)}: ${stepText(status)}${applied}${also}${silent}`;
}

/** Prints the agents that failed, and how many are not connected. */
export function printRemarks(status: RolloutStatus): void {
  const { failed, failures } = countsOf(status);
  const name = entryWord(status.entry);
  for (const { agent, error } of failures) process.stderr.write(`error: ${name}: ${shortAgentName(agent)}: ${error}\n`);
  if (failed > failures.length) process.stderr.write(`error: ${name}: and ${failed - failures.length} more\n`);
  if (status.away > 0) printWarning(`${name}: ${agents(status.away)} not connected, and not waited for`);
}

/** Whether the version `wanted` is done, has failed, or is still waited for. */
export function outcomeOf(status: RolloutStatus, wanted: string): Outcome {
  const { entry, etag, rollout, current, unreachable } = status;
  const name = entryWord(entry);
  if (etag !== wanted) {
    const why =
      rollout?.state === 'STATE_UNDONE' && !current
        ? `the rollout was ${rollout.reason}`
        : 'the entry was changed again';
    return { kind: 'failed', text: `${name}: ${why}` };
  }
  if (current && rollout?.state === 'STATE_HALTED')
    return { kind: 'failed', text: `the rollout of ${name} has halted: ${rollout.reason}` };
  if (isMoving(status)) return { kind: 'waiting' };
  const { inStage, updated, failed } = countsOf(status);
  if (updated + failed < inStage || unreachable.length > 0) return { kind: 'waiting' };
  // A rollout succeeds with as many failures as its plan allows.
  if (failed === 0 || (current && rollout)) return { kind: 'done' };
  return { kind: 'failed', text: `${failed} of ${agents(inStage)} failed to apply ${name}` };
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

function entryWord(name: string): string {
  return `entry/${shortEntryName(name)}`;
}

function agents(count: number): string {
  return count === 1 ? '1 agent' : `${count} agents`;
}
