import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClockSkew } from '../../../controller/fleet/clock-skew.ts';
import { hello } from '../../support/agent-streams.ts';
import { newPrefix, startController } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { sharedEtcd } from '../../support/servers.ts';

const HOUR_MS = 3_600_000;

test('delayed reports cause no clock skew, as long as one was not delayed', () => {
  const skew = new ClockSkew();
  assert.equal(skew.ms, 0);
  for (const [atMs, delayMs] of [
    [0, 900],
    [5_000, 3],
    [10_000, 4_000],
    [60_000, 2_000],
  ] as const)
    skew.add(HOUR_MS + atMs, atMs + delayMs);
  assert.equal(skew.ms, HOUR_MS - 3);
});

test('after a clock is corrected, its skew is gone within two windows, also when it was ahead', () => {
  const skew = new ClockSkew();
  skew.add(HOUR_MS, 0);
  for (let atMs = 10_000; atMs <= 120_000; atMs += 10_000) skew.add(atMs, atMs + 5);
  assert.equal(skew.ms, -5);
});

test('an agent whose clock is an hour behind is live and shown with its skew by every controller', async () => {
  const [etcd, prefix] = [await sharedEtcd(), newPrefix()];
  await using home = await startController(etcd, prefix);
  await using other = await startController(etcd, prefix);
  const stream = hello(home.api.stream('AgentService', 'Connect'), 'late');
  stream.on('error', () => {});
  stream.write({ report: { full: true, time: { seconds: Math.floor((Date.now() - HOUR_MS) / 1_000) }, health: {} } });
  await eventually(async () => {
    const { clock_skew_ms: skewMs, liveness } = await other.api.call('FleetService', 'GetAgent', {
      name: 'agents/late',
    });
    assert.equal(liveness, 'LIVENESS_LIVE');
    assert.equal(Math.round(Number(skewMs) / 60_000), -60);
  });
  stream.cancel();
});
