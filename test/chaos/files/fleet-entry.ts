import { systemClock } from '../../../runtime/clock.ts';
import { startEtcd } from '../../../stack/etcd.ts';
import { newPrefix, type RunningController, startController } from '../../support/controllers.ts';
import type { ApiClient } from '../../support/grpc-client.ts';
import { extend, type Period } from './life.ts';
import { type EntryOperationKind, type Operation, selectionOf } from './plan.ts';
import type { World } from './world.ts';

/** A controller that several runs share: each has its own agent and its own entry. */
export async function startSharedController(dataDir: string): Promise<RunningController> {
  await using started = new AsyncDisposableStack();
  const etcd = await startEtcd({ dataDir });
  started.defer(() => etcd.stop());
  const controller = started.use(await startController(etcd.endpoint, newPrefix()));
  const running = started.move();
  return { ...controller, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

export interface FleetEntryOptions {
  api: ApiClient;
  world: World;
  /** The run's name: of the entry and of the agent. */
  id: string;
  topic: string;
  start: 'beginning' | 'end';
}

/** The entry of a run in a fleet. The controller changes it on the way. */
export class FleetEntry {
  /** When the globs were changed, ms, monotonic. */
  readonly globChangesMs: number[] = [];
  readonly #options: FleetEntryOptions;
  /** When the entry was paused: the agent then reads nothing. */
  readonly pauses: Period[] = [];

  constructor(options: FleetEntryOptions) {
    this.#options = options;
  }

  async create(): Promise<void> {
    const { api, id, world, topic, start } = this.#options;
    const entry = { paths: world.globs, topic, start, selector: `agent=${id}` };
    await api.call('EntryService', 'CreateEntry', { entry_id: id, entry });
  }

  async delete(): Promise<void> {
    const { api, id } = this.#options;
    await api.call('EntryService', 'DeleteEntry', { name: `entries/${id}` });
  }

  /** Changes the entry, and says how. */
  async apply(kind: EntryOperationKind, { choice }: Pick<Operation, 'choice'>): Promise<string> {
    const { world } = this.#options;
    switch (kind) {
      case 'entry-pause':
        return await this.#pause(true);
      case 'entry-resume':
        return await this.#pause(false);
      case 'entry-globs':
      case 'entry-exclude': {
        const selection = { ...world.selection, ...selectionOf(world.layout, kind, choice) };
        world.select(selection);
        this.globChangesMs.push(systemClock.monotonicMs());
        await this.#update({ paths: world.globs, exclude: selection.exclude });
        return `the entry collects ${selection.globs.join(', ')} except ${selection.exclude.join(', ') || 'nothing'}`;
      }
    }
  }

  async #pause(paused: boolean): Promise<string> {
    // From before the pause until after the resumption.
    if (paused) extend(this.pauses, true, systemClock.monotonicMs());
    await this.#update({ paused });
    if (!paused) extend(this.pauses, false, systemClock.monotonicMs());
    return paused ? 'pause the entry' : 'resume the entry';
  }

  async #update(fields: Record<string, unknown>): Promise<void> {
    const { api, id } = this.#options;
    const entry = { name: `entries/${id}`, ...fields };
    await api.call('EntryService', 'UpdateEntry', { entry, update_mask: { paths: Object.keys(fields) } });
  }
}
