import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fleetConditions, localConditions } from '../../../controller/alerts/collect.ts';
import { Assignments } from '../../../controller/desired/assignments.ts';
import { EntryStore } from '../../../controller/entries/entry-store.ts';
import { RolloutView } from '../../../controller/entries/rollout-view.ts';
import { EtcdClient } from '../../../controller/etcd/etcd-client.ts';
import { EtcdMirror } from '../../../controller/etcd/etcd-mirror.ts';
import { encodeRecord } from '../../../controller/fleet/agent-record.ts';
import { Fleet } from '../../../controller/fleet/fleet.ts';
import { Membership } from '../../../controller/fleet/membership.ts';
import { SettingsStore } from '../../../controller/settings/settings-store.ts';
import { Condition } from '../../../proto/gen/logfleet/v1/alert.ts';
import { AgentIdentity } from '../../../proto/gen/logfleet/v1/fleet.ts';
import { systemClock } from '../../../runtime/clock.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { newPrefix } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { sharedEtcd } from '../../support/servers.ts';

const tools = { clock: systemClock, logger: createLogger({ level: 'error', format: 'text' }) };
const rules = { agentLostMs: 0, entryFailedMs: 0, lagBytes: 1, lagMs: 0, lossMs: 0, forecastMs: 0 };
const failed = Condition.create({ rule: 'EntryFailed', agent: 'agents/x', entry: 'entries/app' });
const nothing = { conditions: [], unreported: [] };

/** The fleet as a controller without agents sees it, and what others write to etcd. */
async function viewer() {
  const prefix = newPrefix();
  const client = new EtcdClient({ endpoints: [await sharedEtcd()], tls: undefined, user: undefined });
  const mirror = new EtcdMirror(client, prefix, tools);
  const store = new EntryStore(mirror, prefix, tools.logger);
  const assignments = new Assignments(mirror, store, new RolloutView(mirror, prefix, tools.logger));
  const settings = new SettingsStore(client, mirror, prefix, tools.logger);
  const membership = new Membership(client, mirror, { controllerId: 'own', prefix, leaseTtlMs: 10_000 }, tools);
  const fleet = new Fleet(membership, { assignments, settings }, tools);
  const stop = new AbortController();
  const running = mirror.run(stop.signal);
  const date = new Date(systemClock.nowMs());
  const identity = AgentIdentity.create({ agentId: 'x', host: 'h' });
  const times = { connectTime: date, lastSeenTime: date };
  await client.put(
    `${prefix}agents/x`,
    encodeRecord({ identity, controller: 'dead', ...times, stopped: false, lastState: '' }),
  );
  return {
    fleet,
    /** Resolves when the view has it. */
    connect: async (controller: string, stream: string) => {
      const presence = { instance_id: 'i', host: 'h', connect_time: date.toISOString(), controller, stream };
      await client.put(`${prefix}presence/x`, JSON.stringify(presence));
      await eventually(() => assert.equal(fleet.presences.get('x')?.stream, stream));
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
      client.close();
    },
  };
}

test('of an agent that connects to a controller after that one has answered nothing is known yet', async () => {
  await using view = await viewer();
  await view.connect('dead', 'former');
  const own = { id: 'own', conditions: nothing };
  const answering = { id: 'other', listConditions: async () => nothing };
  const dead = {
    id: 'dead',
    listConditions: async () => {
      await view.connect('other', 'latter');
      return undefined;
    },
  };
  assert.equal((await fleetConditions(view.fleet, own, [answering, dead])).isKnown(failed), false);
  assert.equal((await fleetConditions(view.fleet, own, [answering])).isKnown(failed), true);
});

test('an agent whose stream is only beginning here has not reported yet', async () => {
  await using view = await viewer();
  await view.connect('own', 'beginning');
  assert.deepEqual(localConditions(view.fleet, rules, systemClock.nowMs()).unreported, ['agents/x']);
});
