import { randomBytes } from 'node:crypto';
import { type Beginning, type Checkpoint, newCheckpoint } from '../../model/checkpoint.ts';
import type { FactLog } from '../../model/fact.ts';
import type { CheckpointStore } from '../../state/checkpoint-store.ts';
import type { CrashRecovery } from './crash-recovery.ts';
import { Source } from './source.ts';
import type { SourceContext } from './source-context.ts';

export interface SourceFactoryDependencies {
  context: SourceContext<Source>;
  /** What the previous process sent and did not see acknowledged. */
  recovery: CrashRecovery;
  store: CheckpointStore;
  facts: FactLog;
}

/** Makes the sources and the generations of one entry. */
export class SourceFactory {
  readonly #entryUid: string;
  readonly #dependencies: SourceFactoryDependencies;

  constructor(entryUid: string, dependencies: SourceFactoryDependencies) {
    this.#entryUid = entryUid;
    this.#dependencies = dependencies;
  }

  /** A closed source, with the segments and replays that the previous process left open. */
  create(checkpoint: Checkpoint, size: number): Source {
    const { context, recovery, store } = this.#dependencies;
    const { generation } = checkpoint;
    const { replays } = store;
    const source = new Source(checkpoint, recovery.inherit(generation), size, context);
    for (const replay of replays.forGeneration(generation))
      source.turns.beginReplay(replay, replays, recovery.inherit(generation, replay.id));
    recovery.bind(source);
    return source;
  }

  /**
   * The checkpoint of a generation that begins in `file`. If it is not read from its first byte,
   * that is recorded. Store the checkpoint in the same turn: one flush writes both.
   */
  newGeneration(file: Parameters<typeof newCheckpoint>[2], beginning?: Beginning): Checkpoint {
    const checkpoint = newCheckpoint(this.#entryUid, randomBytes(8).toString('hex'), file, beginning);
    this.#recordBeginning(checkpoint);
    return checkpoint;
  }

  /**
   * The stored generations, with what their open batches say. Where a previous release
   * recorded no beginning, that is done now.
   */
  load(): Checkpoint[] {
    const { recovery, store } = this.#dependencies;
    return store.load(this.#entryUid).map((row) => {
      const stored = recovery.withSegments(row);
      if (stored.first === 0 || stored.firstReason) return stored;
      const checkpoint: Checkpoint = { ...stored, firstReason: 'unknown' };
      this.#recordBeginning(checkpoint);
      store.put(checkpoint);
      return checkpoint;
    });
  }

  #recordBeginning({ entryUid, generation, path, first, firstReason: reason }: Checkpoint): void {
    if (reason) this.#dependencies.facts.begun({ entryUid, generation, path, first, reason });
  }
}
