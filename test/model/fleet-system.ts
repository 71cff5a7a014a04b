import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Etcd3 } from 'etcd3';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { etagRevision } from '../../proto/rules/etag.ts';
import { type Etcd, startEtcd } from '../../stack/etcd.ts';
import { freePort } from '../../stack/free-port.ts';
import { newPrefix, type RunningController, startController } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import { SimulatedAgent } from '../support/simulated-agent.ts';
import { tempDir } from '../support/temp-dir.ts';
import type { FleetModel } from './fleet-model.ts';
import { AGENT_LABELS, SELECTORS } from './selectors.ts';

const PATIENCE = { timeoutMs: 45_000 };
/** Agents that wait as long as real ones would slow the test down. */
const HASTE = 10;

interface Seen {
  etag: string;
  owner: string;
  selector: string;
  going?: Going | undefined;
}

/** A running rollout, as etcd has it. */
interface Going {
  id: string;
  from: { etag: string; selector: string } | undefined;
  stage: { everyone?: boolean; selectors?: string[]; threshold?: string } | undefined;
}

/** A real etcd, real controllers, and agents with the real link. */
export class FleetSystem implements AsyncDisposable {
  readonly etcd: Etcd;
  readonly #stack: AsyncDisposableStack;
  readonly #prefix = newPrefix();
  readonly #ports: readonly number[];
  readonly #controllers: (RunningController | undefined)[] = [];
  readonly #agents: (SimulatedAgent | undefined)[] = [];
  /** What each agent's last process left on its disk. */
  readonly #disks: Entry[][] = [];

  private constructor(etcd: Etcd, ports: readonly number[], stack: AsyncDisposableStack) {
    this.etcd = etcd;
    this.#ports = ports;
    this.#stack = stack;
  }

  static async start(): Promise<FleetSystem> {
    await using stack = new AsyncDisposableStack();
    const dir = stack.use(await tempDir('model'));
    const etcd = await startEtcd({ dataDir: dir.at('etcd') });
    stack.defer(() => etcd.stop());
    const system = new FleetSystem(etcd, [await freePort(), await freePort()], stack.move());
    await Promise.all([system.startController(0), system.startController(1)]);
    for (const index of AGENT_LABELS.keys()) system.connect(index);
    return system;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent?.stop()));
    for (const controller of this.#controllers) await controller?.[Symbol.asyncDispose]();
    await this.#stack[Symbol.asyncDispose]();
  }

  // biome-ignore lint/suspicious/noExplicitAny: the messages are what the .proto files say.
  call(controller: number, method: string, request: Record<string, unknown>, service = 'EntryService'): Promise<any> {
    const running = this.#controllers[controller];
    if (!running) throw new Error(`controller ${controller} does not run`);
    return running.api.call(service, method, request);
  }

  async startController(index: number): Promise<void> {
    const args = ['--listen', `127.0.0.1:${this.#ports[index]}`, '--lease-ttl', '3s'];
    this.#controllers[index] = await startController(this.etcd.endpoint, this.#prefix, ...args);
  }

  async killController(index: number): Promise<void> {
    await this.#controllers[index]?.process.kill('SIGKILL');
    this.#controllers[index]?.api[Symbol.dispose]();
    this.#controllers[index] = undefined;
  }

  connect(index: number): void {
    const addresses = this.#ports.map((port) => `127.0.0.1:${port}`);
    const more = { labels: AGENT_LABELS[index] ?? {}, former: this.#disks[index] ?? [], haste: HASTE };
    this.#agents[index] = new SimulatedAgent(`agent-${index}`, addresses, more);
  }

  async disconnect(index: number, how: 'stop' | 'crash', model: FleetModel): Promise<void> {
    const agent = this.#agents[index];
    if (!agent) return;
    await agent[how]();
    assertEachChangeOnce(agent, model);
    this.#disks[index] = agent.collector.entries;
    this.#agents[index] = undefined;
  }

  /** Waits until everything that runs agrees, and compares it with the model. */
  async settle(model: FleetModel): Promise<void> {
    const truth = await this.#truth();
    for (const id of model.ids) {
      const { possible, acknowledged } = model.known(id);
      const now = truth[id];
      const is = now && { owner: now.owner, selector: now.selector };
      assert.ok(
        possible.some((state) => state?.owner === is?.owner && state?.selector === is?.selector),
        `${id} is ${JSON.stringify(is)}, and may be ${JSON.stringify(possible)}`,
      );
      await this.#hasHistory(id, [...acknowledged.keys()]);
    }
    for (const [index, agent] of this.#agents.entries()) {
      if (!agent) continue;
      // Rollouts proceed meanwhile.
      await eventually(async () => {
        const wanted = wantedOf(index, await this.#truth());
        assert.deepEqual(agent.appliedRevisions, wanted, agent.failures.slice(-3).join('; '));
      }, PATIENCE);
      assertEachChangeOnce(agent, model);
    }
    await this.#showsWhoIsLive();
  }

  /** What etcd has, once every controller reports the same. */
  async #truth(): Promise<Record<string, Seen>> {
    const client = new Etcd3({ hosts: this.etcd.endpoint });
    try {
      return await eventually(async () => {
        // Entries are read one after the other: a rollout that begins meanwhile changes an entry's
        // version, which the next attempt reads.
        const rollouts = await this.#rollouts(client);
        const { kvs } = await client.getAll().prefix(`${this.#prefix}entries/`).exec();
        const truth: Record<string, Seen> = {};
        for (const { key, value, mod_revision: etag } of kvs) {
          const { owner = '', selector = '', rollout } = JSON.parse(value.toString());
          const going = rollouts.get(`${rollout} ${etag}`);
          truth[key.toString().slice(`${this.#prefix}entries/`.length)] = { etag, owner, selector, going };
        }
        for (const index of this.#running()) {
          const { entries } = await this.call(index, 'ListEntries', { page_size: 100 });
          const seen = entries.map(({ name, etag, owner, selector }: Seen & { name: string }) => {
            return [name.slice('entries/'.length), { etag: etagRevision(etag), owner, selector }];
          });
          const told = Object.entries(truth).map(([id, { going: _, ...entry }]) => [id, entry]);
          assert.deepEqual(Object.fromEntries(seen), Object.fromEntries(told), `as controller ${index} sees it`);
        }
        return truth;
      }, PATIENCE);
    } finally {
      client.close();
    }
  }

  /** The running rollouts, by their id and the revision of the version that they roll out. */
  async #rollouts(client: Etcd3): Promise<Map<string, Going>> {
    const { kvs } = await client.getAll().prefix(`${this.#prefix}rollouts/`).exec();
    const all = kvs.map(({ value, create_revision: created }) => ({ ...JSON.parse(value.toString()), created }));
    const active = all.filter(({ state }) => /PROGRESSING|PAUSED|HALTED/.test(state));
    return new Map(
      active.map(({ id, from, stage, created }) => {
        const former = from && { etag: etagRevision(from.etag), selector: from.selector ?? '' };
        return [`${id} ${created}`, { id, from: former, stage }];
      }),
    );
  }

  async #hasHistory(id: string, revisions: readonly string[]): Promise<void> {
    const [controller] = this.#running();
    if (controller === undefined || revisions.length === 0) return;
    const request = { name: `entries/${id}`, page_size: 1_000 };
    // After a restart of etcd, the controller takes a moment to reconnect.
    const { versions } = await eventually(() => this.call(controller, 'ListEntryVersions', request), PATIENCE);
    const kept = versions.map(({ revision }: { revision: string }) => revision);
    const lost = revisions.filter((revision) => !kept.includes(revision));
    assert.deepEqual(lost, [], `acknowledged writes of ${id} that are lost`);
  }

  async #showsWhoIsLive(): Promise<void> {
    const live = [...this.#agents.entries()].flatMap(([index, agent]) => (agent ? [`agents/agent-${index}`] : []));
    for (const index of this.#running()) {
      await eventually(async () => {
        const answer = await this.#controllers[index]?.api.call('FleetService', 'ListAgents', {});
        const seen = answer.agents.filter(({ liveness }: { liveness: string }) => liveness === 'LIVENESS_LIVE');
        assert.deepEqual(
          seen.map(({ name }: { name: string }) => name),
          live,
        );
      }, PATIENCE);
    }
  }

  #running(): number[] {
    return [...this.#controllers.entries()].flatMap(([index, controller]) => (controller ? [index] : []));
  }
}

function wantedOf(index: number, truth: Record<string, Seen>): Record<string, string> {
  const wanted = Object.entries(truth).flatMap(([id, { going, ...target }]) => {
    const given = !going || isIn(index, going) ? target : going.from;
    return given && isMeant(index, given.selector) ? [[`entries/${id}`, given.etag] as const] : [];
  });
  return Object.fromEntries(wanted);
}

/** Whether a rollout gives an agent the new version, by the rules in rollout.proto. */
function isIn(index: number, { id, stage }: Going): boolean {
  if (stage?.everyone || stage?.selectors?.some((selector) => isMeant(index, selector))) return true;
  const digest = createHash('sha256').update(`${id}agent-${index}`).digest();
  return digest.readBigUInt64BE() < BigInt(stage?.threshold ?? 0);
}

function isMeant(index: number, selector: string): boolean {
  const known = SELECTORS.find(({ text }) => text === selector);
  assert.ok(known, `a selector that nobody wrote: ${selector}`);
  return known.matches(AGENT_LABELS[index] ?? {}, `agent-${index}`);
}

/** An agent gets an older version than it had only when another rollout replaces its rollout. */
function assertEachChangeOnce(agent: SimulatedAgent, model: FleetModel): void {
  const isFair = (offence: string) => {
    const [, id = '', etag, highest] = /^entries\/(.*): (\d+)\S* after (\d+)$/.exec(offence) ?? [];
    return id !== '' && etag !== highest && model.mayGoBack(id);
  };
  assert.deepEqual(
    agent.collector.offences.filter((offence) => !isFair(offence)),
    [],
    `agent ${agent.id}`,
  );
}
