import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../../../runtime/clock.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { type SharedBroker, startSharedBroker } from './broker.ts';
import { startSharedController } from './fleet-entry.ts';
import { generatePlan } from './generate.ts';
import { KNOWN_PLANS } from './known-plans.ts';
import type { Plan } from './plan.ts';
import { resultText, tableRow } from './report.ts';
import { type PlanResult, runPlan } from './run-plan.ts';
import { shrink } from './shrink.ts';

const HELP = `Changes files at random beside a real agent, and proves from the topic that each line is there once or in a loss.

Usage: npm run chaos -- --files [options]

  --seed N          decides the operations (default: by the clock, and printed)
  --seeds A-B,C     several seeds
  --fleet           a controller, with an etcd of its own, sends the entry and changes it on the way
  --known           run short plans of what failed before, instead of a seed's; --seeds chooses some
  --plan FILE       run this plan, which a failed run has written
  --minutes M       how long operations come (default: 1)
  --jobs N          how many seeds run side by side (default: 8)
  --kafka HOST:PORT use a broker that runs already, which is never away then
  --agent PATH      the launcher of another checkout's agent: PATH/bin/logfleet-agent
  --keep            keep the folder with files, state and logs of a run that passed, too
  --no-shrink       don't look for fewer operations that fail
  --shrink-minutes  how long to look for them, per seed (default: 6)

Exit code 1 when a seed failed, 2 when the run could not be made.
`;

const say = (line: string) => process.stderr.write(`[${new Date().toISOString().slice(11, 19)}] ${line}\n`);

/** Returns the exit code. */
export async function filesMain(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      files: { type: 'boolean' },
      seed: { type: 'string' },
      seeds: { type: 'string' },
      fleet: { type: 'boolean', default: false },
      known: { type: 'boolean', default: false },
      plan: { type: 'string' },
      minutes: { type: 'string', default: '1' },
      jobs: { type: 'string', default: '8' },
      kafka: { type: 'string' },
      agent: { type: 'string' },
      'no-shrink': { type: 'boolean', default: false },
      'shrink-minutes': { type: 'string', default: '6' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const launcher = values.agent ?? join(import.meta.dirname, '..', '..', '..', 'bin', 'logfleet-agent');
  const plans = await plansOf(values);
  const jobs = Number(values.jobs);
  await using dir = await tempDir('files-broker');
  await using broker =
    values.kafka === undefined ? await startSharedBroker(dir.at('kafka'), jobs) : givenBroker(values.kafka, jobs);
  await using controller = plans.some(({ settings }) => settings.isFleet)
    ? await startSharedController(dir.at('etcd'))
    : undefined;
  say(`the broker is up; ${plans.length} plans, ${jobs} at a time, with ${launcher}`);
  const slots = [...broker.proxies];
  const run = async (plan: Plan) => {
    const proxy = slots.pop();
    try {
      return await runPlan(plan, { launcher, direct: broker.direct, proxy, controller, keep: values.keep });
    } finally {
      proxy?.setMode('pass');
      slots.push(proxy);
    }
  };
  const failed: PlanResult[] = [];
  await inParallel(plans, jobs, async (plan) => {
    const result = await run(plan);
    say(tableRow(result));
    if (result.judgement.violations.length > 0) failed.push(result);
  });
  for (const result of failed) {
    const untilMs = systemClock.monotonicMs() + Number(values['shrink-minutes']) * 60_000;
    await print(values['no-shrink'] ? result : await shrink(result, { run, jobs, untilMs, say }), result.folder);
  }
  say(
    `${plans.length - failed.length} of ${plans.length} passed; failed: ${failed.map(({ plan }) => plan.seed).join(' ')}`,
  );
  return failed.length === 0 ? 0 : 1;
}

/** Prints a failed run, and writes its plan into the folder. */
async function print(result: PlanResult, folder: string): Promise<void> {
  const file = join(folder, 'shrunk.json');
  await writeFile(file, JSON.stringify(result.plan, undefined, 1));
  process.stdout.write(resultText(result, file));
}

function givenBroker(address: string, jobs: number): SharedBroker {
  const proxies = Array.from({ length: jobs }, () => undefined);
  return { direct: [address], proxies, [Symbol.asyncDispose]: async () => {} };
}

async function plansOf(values: {
  seed?: string;
  seeds?: string;
  plan?: string;
  known: boolean;
  fleet: boolean;
  minutes: string;
}): Promise<Plan[]> {
  if (values.plan !== undefined) return [JSON.parse(await readFile(values.plan, 'utf8')) as Plan];
  const given = values.seeds ?? values.seed;
  if (values.known) {
    const known = Object.values(KNOWN_PLANS).map((plan, index) => ({ ...plan, seed: index + 1 }));
    const chosen = given === undefined ? undefined : seedsOf(given);
    return known.filter(({ seed }) => chosen?.includes(seed) ?? true);
  }
  return seedsOf(given ?? `${systemClock.nowMs() % 1_000_000}`).map((seed) =>
    generatePlan(seed, Number(values.minutes), values.fleet),
  );
}

/** `1-3,7` is 1, 2, 3 and 7. */
function seedsOf(list: string): number[] {
  return list.split(',').flatMap((range) => {
    const [from, to = from] = range.split('-').map(Number) as [number, number?];
    if (!(Number.isSafeInteger(from) && Number.isSafeInteger(to) && from <= to))
      throw new Error(`--seeds ${list}: ${range} is no seed and no range; write 7, 1-3 or 1-3,7`);
    return Array.from({ length: to - from + 1 }, (_, index) => from + index);
  });
}

async function inParallel<T>(items: readonly T[], most: number, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: most }, worker));
}
