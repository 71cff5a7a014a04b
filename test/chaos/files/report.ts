import { operationText } from './plan.ts';
import type { PlanResult } from './run-plan.ts';

const EXAMPLES_MAX = 4;

/** One line for a table of seeds. */
export function tableRow({ plan: { seed, settings }, judgement, folder }: PlanResult): string {
  const { violations, lines, due, delivered, reportedAsLoss, exemptions } = judgement;
  const counts = Object.entries(Object.groupBy(violations, ({ kind }) => kind)).map(
    ([kind, all]) => `${kind} ${all?.length}`,
  );
  const outcome = violations.length === 0 ? 'ok' : `FAILED ${counts.join(', ')} (${folder})`;
  const set = `${settings.layout} ${settings.fileSystem} scan ${settings.scanIntervalMs / 1000} s fds ${settings.descriptors ?? '-'} start ${settings.start}`;
  const exempt = Object.entries(exemptions).map(([kind, count]) => `${kind} ${count}`);
  return `seed ${seed}: ${set}: ${lines} lines, ${due} due, ${delivered} delivered, ${reportedAsLoss} in losses; ${exempt.join(', ')}: ${outcome}`;
}

/** A failed run: its operations, what they did, and how to repeat it. */
export function resultText({ plan, judgement, steps, folder }: PlanResult, file: string): string {
  const { settings } = plan;
  const byKind = Object.values(Object.groupBy(judgement.violations, ({ kind }) => kind));
  const examples = byKind.flatMap((all = []) =>
    all.slice(0, EXAMPLES_MAX).map(({ kind, text }) => `  ${kind} (${all.length}): ${text}`),
  );
  return [
    `seed ${plan.seed}, ${plan.operations.length} operations; ${JSON.stringify(settings)}`,
    ...plan.operations.map((operation, index) => `  ${operationText(operation)}\n      ${steps[index] ?? ''}`),
    ...examples,
    `repeat it: npm run chaos -- --files --plan ${file} (files and logs: ${folder})`,
    '',
  ].join('\n');
}
