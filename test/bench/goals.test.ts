import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goalsOf } from '../../bench/goals.ts';

const speed = (name: string, mibPerSecond: number, mibPerCpuSecond: number) => ({
  ...{ name, label: name, mibPerSecond, mibPerCpuSecond, peakRssMib: 100 },
});

function measured(goal: string, figures: Parameters<typeof goalsOf>[0]): number {
  const found = goalsOf(figures).find((one) => one.goal === goal);
  assert.ok(found, goal);
  return found.measured;
}

test('logfleet is put beside kcat, and beside the best of the peers that follow files, in each respect', () => {
  const speeds = [
    speed('logfleet-lean', 200, 100),
    speed('kcat', 250, 300),
    speed('slow', 40, 80),
    speed('fast', 100, 20),
  ];
  const figures = { backlog: { speeds } };
  assert.equal(measured('backlog, headers none: of kcat', figures), 0.8);
  assert.equal(measured("backlog, headers none: of the best peer's speed", figures), 2);
  assert.equal(measured("backlog, headers none: of the best peer's MiB per CPU-second", figures), 1.25);
});

test('what was not measured, or failed, is not reached and not missed', () => {
  for (const { measured: value } of goalsOf({})) assert.ok(Number.isNaN(value));
  const noNumber = { scaling: { exponents: { MiB: { fitted: null, last: null } } } } as never;
  assert.ok(Number.isNaN(measured('CPU by bytes: exponent', noNumber)));
});
