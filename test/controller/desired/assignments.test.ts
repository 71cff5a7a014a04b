import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { Assignments } from '../../../controller/desired/assignments.ts';
import { stageTest } from '../../../controller/desired/stage.ts';
import { EntryView } from '../../../controller/entries/entry-view.ts';
import { encodeRollout } from '../../../controller/entries/rollout-record.ts';
import { RolloutRepository } from '../../../controller/entries/rollout-repository.ts';
import { EtcdClient } from '../../../controller/etcd/etcd-client.ts';
import { EtcdMirror } from '../../../controller/etcd/etcd-mirror.ts';
import { Keyspace } from '../../../controller/etcd/keyspace.ts';
import { Entry } from '../../../proto/gen/logfleet/v1/entry.ts';
import { Rollout, RolloutPlan, RolloutStage } from '../../../proto/gen/logfleet/v1/rollout.ts';
import { systemClock } from '../../../runtime/clock.ts';
import { createLogger } from '../../../runtime/logger.ts';
import { newPrefix } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { sharedEtcd } from '../../support/servers.ts';

const tools = { clock: systemClock, logger: createLogger({ level: 'error', format: 'text' }) };
const AGENTS = Array.from({ length: 8 }, (_, index) => ({ agent: `web-${index}` }));
const ENTRIES = ['a', 'b'];
const HALF = 2n ** 63n;

type Step =
  | { kind: 'plan'; id: string; first: 'entry' | 'rollout' }
  | { kind: 'widen' | 'finish' | 'past' | 'delete'; id: string };

const id = fc.constantFrom('a', 'b');
const planned = fc.record({
  ...{ kind: fc.constant('plan' as const), id },
  first: fc.constantFrom('entry' as const, 'rollout' as const),
});
const other = fc.record({
  kind: fc.constantFrom('widen' as const, 'finish' as const, 'past' as const, 'delete' as const),
  id,
});
const step: fc.Arbitrary<Step> = fc.oneof(planned, other);

/** A controller's view. `look` is called for each changed key, before and after its listeners. */
function view(client: EtcdClient, prefix: string, look: (assignments: Assignments) => void) {
  const keys = new Keyspace(prefix);
  const mirror = new EtcdMirror(client, keys.current, tools);
  let assignments: Assignments | undefined;
  const looking = () => assignments && look(assignments);
  mirror.onChange(looking);
  const store = new EntryView(mirror, keys.entries, tools.logger);
  assignments = new Assignments(mirror, store, new RolloutRepository(client, mirror, keys.rollouts, tools.logger));
  mirror.onChange(looking);
  mirror.onConsistent(looking);
  return { mirror, assignments };
}

interface Known {
  entry: Entry;
  rollout: Rollout | undefined;
  /** The rollout is of this version, and not over. */
  isActive: boolean;
}

/**
 * Writes entries and rollouts as controllers do, and behind their back. Keeps which agents may be
 * assigned each version; every version has its own topic.
 */
class Writer {
  readonly #client: EtcdClient;
  readonly #keys: Keyspace;
  readonly #known = new Map<string, Known>();
  /** The agents that may be assigned a topic; a missing topic is for all agents. */
  readonly allowed = new Map<string, Set<string>>();
  #count = 0;

  constructor(client: EtcdClient, prefix: string) {
    this.#client = client;
    this.#keys = new Keyspace(prefix);
  }

  async make(step: Step): Promise<void> {
    const known = this.#known.get(step.id);
    if (step.kind === 'plan') await this.#plan(step, known);
    else if (step.kind === 'past') await this.#past(step.id, known);
    else if (step.kind === 'delete') {
      this.#known.delete(step.id);
      await this.#transact([], [this.#keys.entries.key(step.id), ...this.#rolloutKey(known)]);
    } else if (known?.rollout && known.isActive) await this.#move(known, known.rollout, step.kind === 'finish');
  }

  /** Writes the entry and its rollout in one transaction. */
  async #plan({ id, first }: { id: string; first: 'entry' | 'rollout' }, known: Known | undefined): Promise<void> {
    const entry = this.#newEntry(id);
    const from = known?.isActive ? known.rollout?.from : known?.entry;
    const rollout = Rollout.create({
      ...{ id: randomUUID(), entry: entry.name, from, plan: RolloutPlan.create(), state: 'STATE_PROGRESSING' },
      stage: RolloutStage.create(),
    });
    this.allowed.set(entry.topic, new Set());
    const puts = [
      { key: this.#keys.entries.key(id), value: entryJson(entry, rollout) },
      { key: this.#keys.rollouts.key(rollout.id), value: encodeRollout(rollout) },
    ];
    const etag = await this.#transact(first === 'entry' ? puts : puts.reverse(), this.#rolloutKey(known));
    this.#known.set(id, { entry: { ...entry, etag }, rollout, isActive: true });
  }

  /** Writes only the entry, behind the controllers' back, and leaves the rest of its JSON. */
  async #past(id: string, known: Known | undefined): Promise<void> {
    const entry = this.#newEntry(id);
    const puts = [{ key: this.#keys.entries.key(id), value: entryJson(entry, known?.rollout) }];
    const etag = await this.#transact(puts, []);
    this.#known.set(id, { entry: { ...entry, etag }, rollout: known?.rollout, isActive: false });
  }

  async #move(known: Known, former: Rollout, isLast: boolean): Promise<void> {
    const stage = { ...RolloutStage.create(), everyone: isLast, threshold: HALF };
    const rollout: Rollout = { ...former, stage, state: isLast ? 'STATE_COMPLETE' : 'STATE_PROGRESSING' };
    const { includes } = stageTest(rollout);
    this.allowed.set(known.entry.topic, new Set(AGENTS.filter(includes).map(({ agent }) => agent)));
    await this.#transact([{ key: this.#keys.rollouts.key(rollout.id), value: encodeRollout(rollout) }], []);
    Object.assign(known, { rollout, isActive: !isLast });
  }

  #newEntry(id: string): Entry {
    return Entry.create({ name: `entries/${id}`, uid: id, paths: ['/a'], topic: `${id}-${++this.#count}` });
  }

  #rolloutKey(known: Known | undefined): string[] {
    return known?.rollout ? [this.#keys.rollouts.key(known.rollout.id)] : [];
  }

  async #transact(puts: { key: string; value: string }[], deletes: string[]): Promise<string> {
    const when = [{ key: `never-${randomUUID()}`, revision: 0n }];
    return String(await this.#client.transact({ conditions: when, puts, deletes }));
  }
}

function entryJson(entry: Entry, rollout: Rollout | undefined): string {
  return JSON.stringify({ ...Object(Entry.toJSON(entry)), version: '1', ...(rollout && { rollout: rollout.id }) });
}

test('no agent is assigned a version outside its stage, whatever the order of keys and whenever a controller starts', async () => {
  const client = new EtcdClient({ endpoints: [await sharedEtcd()], tls: undefined, user: undefined });
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 25 }), fc.nat({ max: 20 }), async (steps, lateAt) => {
        const prefix = newPrefix();
        const writer = new Writer(client, prefix);
        const stop = new AbortController();
        const wrong: string[] = [];
        let looks = 0;
        const look = (assignments: Assignments) => {
          looks++;
          for (const name of ENTRIES.map((id) => `entries/${id}`))
            for (const labels of AGENTS) {
              const topic = assignments.find(name)?.entryFor(labels)?.topic;
              const allowed = topic === undefined ? undefined : writer.allowed.get(topic);
              if (allowed && !allowed.has(labels.agent)) wrong.push(`${labels.agent} has ${topic}`);
            }
        };
        const views = [view(client, prefix, look)];
        const running = views.map(({ mirror }) => mirror.run(stop.signal));
        for (const [index, each] of steps.entries()) {
          if (index === lateAt) {
            const late = view(client, prefix, look);
            views.push(late);
            running.push(late.mirror.run(stop.signal));
          }
          await writer.make(each);
        }
        const { revision } = await client.list({ start: prefix, end: `${prefix}~` });
        await eventually(() => assert.ok(views.every(({ mirror }) => mirror.revision > 0n)));
        await client.put(`${prefix}last`, 'x');
        for (const { mirror } of views) await mirror.waitForRevision(revision + 1n);
        stop.abort();
        await Promise.all(running);
        assert.deepEqual(wrong, []);
        assert.ok(looks > 0);
        const told = views.map(({ assignments }) =>
          ENTRIES.map((id) => AGENTS.map((labels) => assignments.find(`entries/${id}`)?.entryFor(labels)?.topic)),
        );
        for (const other of told) assert.deepEqual(other, told[0]);
      }),
      { numRuns: 40 },
    );
  } finally {
    client.close();
  }
});
