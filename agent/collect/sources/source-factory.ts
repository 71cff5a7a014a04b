import { randomBytes } from 'node:crypto';
import { type Checkpoint, newCheckpoint } from '../../model/checkpoint.ts';
import type { ReplayStore } from '../../state/replay-store.ts';
import type { CrashRecovery } from './crash-recovery.ts';
import { Source } from './source.ts';
import type { SourceContext } from './source-context.ts';

export interface SourceFactoryDependencies {
  context: SourceContext<Source>;
  /** What the previous process sent and did not see acknowledged. */
  recovery: CrashRecovery;
  replays: ReplayStore;
}

/** Makes the sources of one entry. */
export class SourceFactory {
  readonly #entryUid: string;
  readonly #dependencies: SourceFactoryDependencies;

  constructor(entryUid: string, dependencies: SourceFactoryDependencies) {
    this.#entryUid = entryUid;
    this.#dependencies = dependencies;
  }

  /** A closed source, with the segments and replays that the previous process left open. */
  create(checkpoint: Checkpoint, size: number): Source {
    const { context, recovery, replays } = this.#dependencies;
    const { generation } = checkpoint;
    const source = new Source(checkpoint, recovery.inherit(generation), size, context);
    for (const replay of replays.forGeneration(generation))
      source.turns.beginReplay(replay, replays, recovery.inherit(generation, replay.id));
    recovery.bind(source);
    return source;
  }

  /** The checkpoint of a generation that begins in `file`. */
  newGeneration(file: Parameters<typeof newCheckpoint>[2]): Checkpoint {
    return newCheckpoint(this.#entryUid, randomBytes(8).toString('hex'), file);
  }
}
