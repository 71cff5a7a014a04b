import assert from 'node:assert/strict';
import type { ServiceError } from '@grpc/grpc-js';
import { systemClock } from '../../runtime/clock.ts';
import type { RunningController } from './controllers.ts';
import { eventually } from './eventually.ts';

/** The names of the entries that are written. */
export const WRITTEN = ['a', 'b', 'c', 'd'];
/** Fewer than the thousand versions that a history keeps of an entry. */
const PAUSE_MS = 30;
const PATIENCE = { timeoutMs: 40_000 };

/** Writes continuously, at both controllers in turn, and keeps what was acknowledged. */
export class SteadyWrites {
  readonly acknowledged = new Map<string, { etag: string; owner: string }[]>();
  readonly refused: { code: number; details: string; tookMs: number }[] = [];
  readonly #controllers: readonly RunningController[];
  #count = 0;
  #running: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(controllers: readonly RunningController[]) {
    this.#controllers = controllers;
  }

  async create(): Promise<void> {
    for (const id of WRITTEN) {
      const entry = { paths: ['/x/*.log'], topic: 't' };
      await eventually(() => this.#controller().call('EntryService', 'CreateEntry', { entry_id: id, entry }));
      this.acknowledged.set(id, []);
    }
  }

  /** One write. True: it was acknowledged. */
  async write(id: string): Promise<boolean> {
    const owner = `team-${++this.#count}`;
    const sinceMs = systemClock.monotonicMs();
    try {
      const { etag } = await this.#controller().call('EntryService', 'UpdateEntry', {
        entry: { name: `entries/${id}`, owner },
      });
      this.acknowledged.get(id)?.push({ etag, owner });
      return true;
    } catch (error) {
      const { code, details } = error as ServiceError;
      this.refused.push({ code, details, tookMs: systemClock.monotonicMs() - sinceMs });
      return false;
    }
  }

  begin(): void {
    this.#stopped = false;
    const writer = async (id: string) => {
      while (!this.#stopped) {
        await this.write(id);
        await systemClock.sleep(PAUSE_MS);
      }
    };
    this.#running = Promise.all(WRITTEN.map(writer));
  }

  async end(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Resolves when all entries were written a few more times. */
  async goesOn(): Promise<void> {
    const before = WRITTEN.map((id) => this.acknowledged.get(id)?.length ?? 0);
    const goal = (index: number) => (before[index] as number) + 5;
    await eventually(() => {
      for (const [index, id] of WRITTEN.entries())
        assert.ok((this.acknowledged.get(id)?.length ?? 0) > goal(index), JSON.stringify(this.refused.at(-1)));
    }, PATIENCE);
  }

  #controller() {
    return (this.#controllers[this.#count % this.#controllers.length] as RunningController).api;
  }
}
