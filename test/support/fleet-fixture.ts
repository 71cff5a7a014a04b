import assert from 'node:assert/strict';
import { startAgent } from './agents.ts';
import { newPrefix, type RunningController, startController } from './controllers.ts';
import { eventually } from './eventually.ts';
import { sharedEtcd, sharedKafka } from './servers.ts';
import { type TempDir, tempDir } from './temp-dir.ts';
import { countRecords } from './topics.ts';

/** What a test of the fleet uses: servers, a controller, a folder. */
export interface FleetFixture extends AsyncDisposable {
  kafka: string[];
  etcd: string;
  /** The prefix of the controller's keys. */
  prefix: string;
  controller: RunningController;
  dir: TempDir;
}

/** A controller that creates topics, and a folder. */
export async function createFleet(): Promise<FleetFixture> {
  const kafka = await sharedKafka();
  const [etcd, prefix] = [await sharedEtcd(), newPrefix()];
  const controller = await startController(etcd, prefix, '--kafka', kafka.join(','));
  const dir = await tempDir('fleet');
  return {
    kafka,
    etcd,
    prefix,
    controller,
    dir,
    [Symbol.asyncDispose]: async () => {
      await controller[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** An agent of this fleet, with its state in the fixture's folder. */
export function agentOf(
  { kafka, controller, dir }: FleetFixture,
  id: string,
  more: Partial<Parameters<typeof startAgent>[0]> = {},
) {
  return startAgent({ id, controller: controller.address, kafka, state: dir.at(`state-${id}`), ...more });
}

/** What the fleet reports of an agent. */
// biome-ignore lint/suspicious/noExplicitAny: a message as the .proto files say.
export async function agentStatus({ controller }: FleetFixture, id: string): Promise<any> {
  return controller.api.call('FleetService', 'GetAgent', { name: `agents/${id}` });
}

/** Waits until the agent has acknowledged this revision of the entry. */
export async function waitUntilAcknowledged(
  on: FleetFixture,
  id: string,
  entry: { name: string; etag: string },
  state = 'STATE_APPLIED',
) {
  await eventually(async () => {
    const { entries } = await agentStatus(on, id);
    const found = entries.find((status: { entry: string }) => status.entry === entry.name);
    assert.deepEqual([found?.etag, found?.state], [entry.etag, state], JSON.stringify(found));
  });
}

/** Waits until the topic has this many records. */
export async function waitUntilDelivered(on: FleetFixture, topic: string, count: number): Promise<void> {
  await eventually(async () => assert.equal(await countRecords(on.kafka, topic), count));
}
