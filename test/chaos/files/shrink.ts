import { systemClock } from '../../../runtime/clock.ts';
import type { ViolationKind } from './evidence.ts';
import type { Operation, Plan } from './plan.ts';
import type { PlanResult } from './run-plan.ts';

export interface Shrinking {
  run(plan: Plan): Promise<PlanResult>;
  /** How many plans run side by side. */
  jobs: number;
  untilMs: number;
  say(line: string): void;
}

const PAUSES_MS = [0, 500];

/**
 * Looks for fewer operations that fail in the same way: leaves out halves, quarters and so on, side
 * by side.
 */
export async function shrink(failed: PlanResult, shrinking: Shrinking): Promise<PlanResult> {
  const kinds = new Set(failed.judgement.violations.map(({ kind }) => kind));
  let least = failed;
  for (let pieces = 2; ; ) {
    const { operations } = least.plan;
    const smaller = await firstFailing(withoutPieces(operations, pieces), least, kinds, shrinking);
    if (systemClock.monotonicMs() > shrinking.untilMs) return smaller ?? least;
    if (smaller) {
      least = smaller;
      pieces = Math.max(2, Math.min(pieces - 1, smaller.plan.operations.length));
      shrinking.say(`seed ${failed.plan.seed}: ${smaller.plan.operations.length} operations fail, too`);
    } else if (pieces < operations.length) pieces = Math.min(operations.length, pieces * 2);
    else break;
  }
  for (const pauseMs of PAUSES_MS) {
    const shorter = least.plan.operations.map((one) => ({ ...one, pauseMs: Math.min(one.pauseMs, pauseMs) }));
    const quick = await firstFailing([shorter], least, kinds, shrinking);
    if (quick) return quick;
  }
  return least;
}

function withoutPieces(operations: readonly Operation[], pieces: number): Operation[][] {
  const size = Math.ceil(operations.length / pieces);
  const starts = Array.from({ length: Math.ceil(operations.length / size) }, (_, piece) => piece * size);
  return starts.map((start) => operations.toSpliced(start, size));
}

/** Runs candidates side by side; resolves with one that fails in one of the given ways. */
async function firstFailing(
  candidates: readonly (readonly Operation[])[],
  { plan }: PlanResult,
  kinds: ReadonlySet<ViolationKind>,
  { run, jobs, untilMs }: Shrinking,
): Promise<PlanResult | undefined> {
  for (let at = 0; at < candidates.length && systemClock.monotonicMs() < untilMs; at += jobs) {
    const results = await Promise.all(
      candidates.slice(at, at + jobs).map((operations) => run({ ...plan, operations })),
    );
    const failing = results.filter(({ judgement }) => judgement.violations.some(({ kind }) => kinds.has(kind)));
    if (failing[0]) return failing[0];
  }
  return undefined;
}
