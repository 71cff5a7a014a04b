import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fleet } from '../../bench/workloads/fleet.ts';
import { tempDir } from '../support/temp-dir.ts';

const AGENTS = 200;

test('a small fleet is measured to the end: updates, writes, deaths of all agents and of a controller', async () => {
  await using out = await tempDir('bench-fleet');
  const unused = { tools: [], missing: [], mib: undefined };
  const lines: string[] = [];
  const say = (line: string) => void lines.push(line);
  await fleet.runAlone({ ...unused, agents: AGENTS, seconds: 10, rounds: 2, out: out.path, say });
  const figures = JSON.parse(await readFile(out.at('results/fleet.json'), 'utf8'));
  const [step] = figures.steps;
  assert.equal(step.agents, AGENTS);
  const measured = [step.update.max, step.list.p99, step.steady.controllerRssMib, figures.writesPerSecond];
  for (const value of [...measured, figures.returned.backSeconds]) assert.ok(value > 0, JSON.stringify(figures));
  // Each begins anywhere in the list of controllers, so neither has all.
  assert.ok(figures.failover.moved > 0 && figures.failover.moved < AGENTS, `${figures.failover.moved} were moved`);
  assert.match(await readFile(out.at('RESULTS.md'), 'utf8'), /^## fleet$/m);
});
