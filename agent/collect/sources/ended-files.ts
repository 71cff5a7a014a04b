import type { Logger } from '../../../runtime/logger.ts';
import { type Checkpoint, hasEnded } from '../../model/checkpoint.ts';
import { gapsIn } from '../../model/contiguous-position.ts';
import type { FactLog, LossReason } from '../../model/fact.ts';
import { hasBytes } from '../../model/fingerprint.ts';
import { lineStates } from '../../model/line-state.ts';
import type { AcknowledgedPosition } from '../../model/position.ts';
import type { CheckpointStore } from '../../state/checkpoint-store.ts';
import type { OpenSources } from './open-sources.ts';
import type { Source } from './source.ts';
import type { SourceFactory } from './source-factory.ts';
import type { Ending, SourceRegistry } from './source-registry.ts';

export interface EndedFilesDependencies {
  registry: SourceRegistry;
  factory: SourceFactory;
  open: OpenSources;
  store: CheckpointStore;
  facts: FactLog;
  logger: Logger;
}

/**
 * Ends generations whose content no longer exists, and records what is lost of them. That happens
 * when every segment that was sent has an outcome: until then a copy with the rest may be found.
 * Meanwhile their phase is stored, so a crash does not hide their end.
 *
 * If a file is truncated while the agent runs, all that was seen counts as all that it had. Nobody
 * knows what was written in the moment before, and else every copytruncate would be a loss. If a
 * file was gone when the agent started, nobody knows how far it had grown: that is a loss with an
 * open end, even if no known byte is lost.
 *
 * A file that was not found may return. So its generation is kept, with the position behind that
 * loss.
 */
export class EndedFiles {
  readonly #dependencies: EndedFilesDependencies;

  constructor(dependencies: EndedFilesDependencies) {
    this.#dependencies = dependencies;
  }

  /** Generations that had ended when the previous process stopped, whose end is not recorded. */
  restore(checkpoints: readonly Checkpoint[]): void {
    for (const checkpoint of checkpoints) {
      if (!hasEnded(checkpoint)) continue;
      const certain = checkpoint.phase === 'ended';
      this.#endUnopened(checkpoint, checkpoint.size, { reason: certain ? 'truncated' : 'vanished', certain });
    }
  }

  /** A source's content no longer exists, or the agent gives it up. */
  end(source: Source, reason: LossReason, certain: boolean): void {
    const { registry, open } = this.#dependencies;
    source.apply(certain && reason !== 'vanished' ? 'ended' : 'vanished');
    open.close(source);
    registry.end(source, { reason, certain });
  }

  /** A known generation's content no longer exists. */
  endKnown(checkpoint: Checkpoint, ending: Ending): void {
    if (checkpoint.phase === 'sealed' || checkpoint.phase === 'away') {
      this.forget(checkpoint);
      return;
    }
    this.#endUnopened(checkpoint, Math.max(checkpoint.size, checkpoint.position), ending);
  }

  /** Records the end of those `sources` whose segments all have an outcome. */
  conclude(sources: readonly Source[]): void {
    const { registry } = this.#dependencies;
    for (const source of sources) {
      const ending = registry.endingOf(source);
      if (!ending || !source.settled) continue;
      registry.removeEnded(source);
      const end = this.#record(source.file.checkpoint, ending);
      if (this.#mayReturn(source, ending)) this.#keep(source, end);
      else this.forget(source.file);
    }
  }

  /** Removes all that is stored of a generation. */
  forget(checkpoint: Pick<Checkpoint, 'entryUid' | 'path' | 'generation'>): void {
    this.#endReplays(checkpoint);
    this.#dependencies.store.remove(checkpoint.entryUid, checkpoint.generation);
  }

  /** Its file was not found, is not known to hold another generation, and can be recognised. */
  #mayReturn({ file }: Source, { reason }: Ending): boolean {
    return reason === 'vanished' && hasBytes(file.fingerprint) && !this.#dependencies.registry.byFile(file);
  }

  /** Nothing before `end` is read if the file of `source` is found again. */
  #keep(source: Source, end: AcknowledgedPosition): void {
    const { registry, store } = this.#dependencies;
    this.#endReplays(source.file);
    source.apply('concluded');
    const checkpoint = { ...source.file.checkpoint, ...end, ahead: [] };
    registry.addKnown(checkpoint);
    store.put(checkpoint);
  }

  #endReplays({ path, generation }: Pick<Checkpoint, 'path' | 'generation'>): void {
    const { store, logger } = this.#dependencies;
    for (const { id: replay, acknowledged, end } of store.replays.forGeneration(generation)) {
      const rest = { replay, path, generation, start: acknowledged.value, end };
      logger.warn('replay ends early because its file no longer exists', rest);
    }
    store.replays.forget(generation);
  }

  /** A copy of `size` bytes continues `source`, and lacks what was seen behind that. */
  recordMissingIn({ file, size: seen }: Source, size: number): void {
    const { entryUid, generation, path } = file;
    const lost = { start: size, end: seen, openEnded: true, reason: 'truncated' } as const;
    if (seen > size) this.#dependencies.facts.loss({ entryUid, generation, path, ...lost });
  }

  /** Records that all of `source` is acknowledged. */
  recordSealed(source: Source): void {
    const { entryUid, generation, path, first, position, rangeEnd } = source.file.checkpoint;
    const { facts } = this.#dependencies;
    facts.sealed({ entryUid, generation, path, first, size: position, recordsEnd: rangeEnd });
  }

  #endUnopened(checkpoint: Checkpoint, size: number, { reason, certain }: Ending): void {
    this.end(this.#dependencies.factory.create(checkpoint, size), reason, certain);
  }

  /** Returns where the generation ends, as far as that is known. */
  #record(checkpoint: Checkpoint, { reason, certain }: Ending): AcknowledgedPosition {
    const { facts } = this.#dependencies;
    const { entryUid, generation, path, first, size, position, rangeEnd, lineState, ahead } = checkpoint;
    const subject = { entryUid, generation, path };
    const from = { position, rangeEnd, lineState };
    const { gaps, last: reached } = gapsIn([...ahead, [size, size, size, lineStates.lost]], from);
    const { position: end } = reached;
    const last = gaps.at(-1);
    for (const gap of gaps) {
      // The next record's range would have begun before the gap, after bytes that were filtered.
      const between = gap.rangeStart < gap.start && { start: gap.rangeStart, bytes: gap.end - gap.start };
      const bytes = { start: gap.start, end: gap.end, ...between };
      facts.loss({ ...subject, ...bytes, openEnded: gap === last, reason });
    }
    if (last) return reached;
    if (certain) facts.sealed({ ...subject, first, size: end, recordsEnd: reached.rangeEnd });
    else facts.loss({ ...subject, start: end, end, openEnded: true, reason });
    return reached;
  }
}
