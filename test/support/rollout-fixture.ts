import assert from 'node:assert/strict';
import { newPrefix, type RunningController, startController } from './controllers.ts';
import { eventually } from './eventually.ts';
import { sharedEtcd } from './servers.ts';
import { StreamAgent } from './stream-agents.ts';

export const HOUR_MS = 3_600_000;
export const PATHS = ['/var/log/app/*.log'];

export interface RolloutFixture extends AsyncDisposable {
  etcd: string;
  prefix: string;
  controllers: RunningController[];
  agents: StreamAgent[];
  /** Writes the entry `app` with this topic. */
  write(topic: string, plan?: object, more?: object): Promise<{ etag: string }>;
  // biome-ignore lint/suspicious/noExplicitAny: a message as the .proto files say.
  call(method: string, request?: object, service?: string): Promise<any>;
  /** How many agents have each topic. */
  held(): Record<string, number>;
}

/** Controllers, and agents spread over them. */
export async function createRolloutFleet(agents: number, controllers = 1): Promise<RolloutFixture> {
  const [etcd, prefix] = [await sharedEtcd(), newPrefix()];
  const running: RunningController[] = [];
  for (let index = 0; index < controllers; index++)
    running.push(await startController(etcd, prefix, '--lease-ttl', '2s'));
  const addresses = running.map(({ address }) => address);
  const all = Array.from({ length: agents }, (_, index) => {
    const own = [...addresses.slice(index % controllers), ...addresses.slice(0, index % controllers)];
    return new StreamAgent(`web-${index}`, own, { env: index === 0 ? 'canary' : 'prod' });
  });
  const api = () => (running.at(-1) as RunningController).api;
  const it: RolloutFixture = {
    ...{ etcd, prefix, controllers: running, agents: all },
    write: (topic, plan, more = {}) => {
      const entry = { name: 'entries/app', paths: PATHS, topic, ...more };
      return api().call('EntryService', 'UpdateEntry', { entry, allow_missing: true, ...(plan && { rollout: plan }) });
    },
    call: (method, request = {}, service = 'RolloutService') =>
      api().call(service, method, { name: 'entries/app', ...request }),
    held: () => {
      const counts: Record<string, number> = {};
      for (const agent of all) {
        const topic = agent.topicOf('entries/app') ?? 'none';
        counts[topic] = (counts[topic] ?? 0) + 1;
      }
      return counts;
    },
    [Symbol.asyncDispose]: async () => {
      for (const agent of all) agent[Symbol.dispose]();
      for (const controller of running) await controller[Symbol.asyncDispose]();
    },
  };
  await eventually(async () => {
    const { agents: known } = await api().call('FleetService', 'ListAgents', {});
    const live = known.filter(({ liveness }: { liveness: string }) => liveness === 'LIVENESS_LIVE');
    assert.equal(live.length, agents);
  });
  return it;
}

/** Waits until every agent has the first version. */
export async function waitUntilStarted(on: RolloutFixture): Promise<void> {
  await on.write('one');
  await eventually(() => assert.deepEqual(on.held(), { one: on.agents.length }));
}

export const steps = (...canaries: [canary: string, waitMs?: number][]) => ({
  steps: canaries.map(([canary, wait_ms = 0]) => ({ canary, wait_ms })),
});

export const state = async (on: RolloutFixture) => (await on.call('GetRollout')).rollout?.state;
