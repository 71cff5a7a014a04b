import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { tempDir } from '../support/temp-dir.ts';
import { type Cluster, startCluster } from './cluster.ts';
import type { Sabotage } from './faults.ts';
import { logfleet } from './logfleet.ts';
import { runChaos } from './run.ts';
import { buildSchedule, FAULT_KINDS, type FaultKind } from './schedule.ts';
import { verdictText } from './verdict.ts';

const SEED = 4;
const BROKERS = 3;
let cluster: Cluster;
let stop: () => Promise<void>;

before(async () => {
  const dir = await tempDir('chaos-cluster');
  cluster = await startCluster(dir, BROKERS, () => {});
  stop = async () => {
    await cluster[Symbol.asyncDispose]();
    await dir[Symbol.asyncDispose]();
  };
});
after(() => stop?.());

interface Run {
  seconds: number;
  kills: number;
  kinds: readonly FaultKind[];
  sabotage?: Sabotage;
  say(line: string): void;
}

async function run({ seconds, kills, kinds, sabotage, say }: Run) {
  await using dir = await tempDir('chaos');
  const durationMs = seconds * 1000;
  const schedule = buildSchedule({ seed: SEED, durationMs, kills, kinds, brokers: BROKERS });
  const rotations = ['rename', 'rename-out', 'copytruncate', 'delete'] as const;
  const options = {
    seed: SEED,
    durationMs,
    schedule,
    linesPerSecond: 1_500,
    rotations,
    text: 'wild',
    collector: logfleet,
  } as const;
  // Awaited here: the folder goes with this scope.
  return await runChaos(cluster, dir, { ...options, sabotage }, say);
}

test('kill -9 of the agent and of a broker, stalls, cuts and a full disk: no line is lost, doubled or altered', async (t) => {
  const result = await run({ seconds: 20, kills: 6, kinds: FAULT_KINDS, say: (line) => t.diagnostic(line) });
  t.diagnostic(verdictText(result.verdict));
  assert.equal(result.kills, 6);
  assert.ok(result.verdict.total.written > 5_000 && result.verdict.tiling.generations > 5);
  assert.ok(result.verdict.ok, verdictText(result.verdict));
});

test("the oracle finds duplicates when each kill deletes the agent's state", async (t) => {
  const say = (line: string) => t.diagnostic(line);
  const { verdict } = await run({ seconds: 16, kills: 3, kinds: ['kill-agent'], sabotage: 'no-state', say });
  assert.ok(!verdict.ok);
  assert.ok(verdict.total.doubled > 100, verdictText(verdict));
});
