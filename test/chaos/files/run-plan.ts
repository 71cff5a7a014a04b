import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunningController } from '../../support/controllers.ts';
import type { TcpProxy } from '../../support/tcp-proxy.ts';
import { createTopic, deleteTopic, newTopic } from '../../support/topics.ts';
import { AgentUnderTest, commandOf } from './agent.ts';
import { mountFiles } from './file-system.ts';
import { FleetEntry } from './fleet-entry.ts';
import type { Judgement } from './oracle.ts';
import { LAYOUTS, type Plan } from './plan.ts';
import { PlanRun } from './plan-run.ts';
import { World } from './world.ts';

export interface Surroundings {
  /** The path of `bin/logfleet-agent` in a checkout. */
  launcher: string;
  /** The broker's address without a proxy. */
  direct: readonly string[];
  /** The agent's way to the broker. Without one the broker is never away. */
  proxy: TcpProxy | undefined;
  /** For plans in a fleet. */
  controller?: RunningController | undefined;
  /** Whether to keep the folder of a run without violations, too. */
  keep: boolean;
}

export interface PlanResult {
  plan: Plan;
  judgement: Judgement;
  /** What each operation did. */
  steps: readonly string[];
  /** The folder with the agent's logs and state; deleted if there was no violation. */
  folder: string;
}

/** Runs a plan's operations beside a real agent, and judges what arrived. */
export async function runPlan(plan: Plan, surroundings: Surroundings): Promise<PlanResult> {
  const { launcher, direct, proxy, controller, keep } = surroundings;
  const folder = await realpath(await mkdtemp(join(tmpdir(), `logfleet-files-${plan.seed}-`)));
  const steps: string[] = [];
  const judgement = await judged();
  const violations = judgement.violations.map(({ kind, text }) => `${kind}: ${text}`);
  await writeFile(join(folder, 'plan.json'), JSON.stringify(plan, undefined, 1));
  await writeFile(join(folder, 'result.txt'), `${[...steps, ...violations].join('\n')}\n`);
  if (violations.length === 0 && !keep) await rm(folder, { recursive: true, force: true });
  return { plan, judgement, steps, folder };

  async function judged(): Promise<Judgement> {
    await using ended = new AsyncDisposableStack();
    const { settings } = plan;
    const root = join(folder, 'files');
    ended.use(await mountFiles(root, settings.fileSystem, lowerFiles(plan), (line) => steps.push(line)));
    const world = new World(root, settings.layout);
    ended.defer(() => world.close());
    const topic = await createTopic(direct, 2);
    const audit = await createTopic(direct, 1, { name: `${newTopic()}-audit` });
    ended.defer(async () => void (await Promise.all([deleteTopic(direct, topic), deleteTopic(direct, audit)])));
    await mkdir(join(folder, 'state'));
    const kafka = proxy ? `127.0.0.1:${proxy.port}` : direct.join(',');
    const args = ['--kafka', kafka, '--audit-topic', audit, '--state', join(folder, 'state')];
    let entry: FleetEntry | undefined;
    if (settings.isFleet) {
      if (!controller) throw new Error('the plan needs a controller');
      entry = new FleetEntry({ api: controller.api, world, id: topic, topic, start: settings.start });
      await entry.create();
      ended.defer(() => entry?.delete());
      args.push('--controller', controller.address, '--id', topic);
    } else {
      const entries = [{ name: 'files', paths: world.globs, topic, start: settings.start }];
      await writeFile(join(folder, 'entries.yaml'), JSON.stringify({ entries }));
      args.push('--entries', join(folder, 'entries.yaml'));
    }
    const readyMessage = entry ? 'connected to the controller' : 'agent started';
    const agent = new AgentUnderTest({ launcher, folder, args, readyMessage });
    ended.defer(() => agent.kill());
    const command = commandOf(launcher);
    const run = new PlanRun({ plan, world, agent, entry, proxy, direct, topic, audit, command, steps, folder });
    return await run.judge();
  }
}

/** What an overlay's lower folder has: files that the first append copies up. */
function lowerFiles({ settings: { layout } }: Plan): Record<string, string> {
  const text = Array.from({ length: 20 }, (_, line) => `lower ${line} ${'z'.repeat(line)}\n`);
  const files = LAYOUTS[layout].folders.map((folder, index) => [`${folder}/app.log`, text.slice(index * 4).join('')]);
  return Object.fromEntries(files);
}
