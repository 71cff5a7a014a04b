import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { sharedKafka } from '../../support/servers.ts';
import { KNOWN_PLANS } from './known-plans.ts';
import { resultText } from './report.ts';
import { runPlan } from './run-plan.ts';

const launcher = join(import.meta.dirname, '..', '..', '..', 'bin', 'logfleet-agent');
/** Agents sleep most of the time. */
const AT_ONCE = 12;

describe('files that change while an agent collects them', { concurrency: AT_ONCE }, () => {
  for (const [name, plan] of Object.entries(KNOWN_PLANS)) {
    test(`each line arrives once, or is in a loss: ${name}`, async () => {
      const direct = await sharedKafka();
      const result = await runPlan(plan, { launcher, direct, proxy: undefined, keep: false });
      assert.deepEqual(result.judgement.violations, [], resultText(result, join(result.folder, 'plan.json')));
    });
  }
});
