import type { Logger } from '../../../runtime/logger.ts';
import type { Checkpoint } from '../../model/checkpoint.ts';
import { gapsIn } from '../../model/contiguous-position.ts';
import type { FactLog, LossReason } from '../../model/fact.ts';
import type { FoundFile } from '../../model/found-file.ts';
import type { CheckpointStore } from '../../state/checkpoint-store.ts';
import { compareHead, hasMarker } from '../files/file-head.ts';
import { mayBeCopyOf } from './copies.ts';
import type { Source } from './source.ts';

/** A marker beyond it says more than the head. */
const HEAD_BYTES_MAX = 1024;

interface Ending {
  reason: LossReason;
  /** Nothing more can have been written than what was seen. */
  certain: boolean;
}

/**
 * Generations whose files are no more: what is under way of them may still arrive, and a copy may still turn up that has the rest. Then it
 * is told what is lost of them, or that they are complete. They are kept as `ended` until then, so that a crash does not hide it.
 *
 * Of a file that was truncated while the agent looked at it, all that was seen counts as all that there was: what came in the moment
 * before is known to nobody, and each copytruncate would be a loss. Of one that was gone when the agent came, there is no telling how far
 * it had grown: that is a loss with an open end, though of no byte that is known.
 */
export class EndedFiles {
  readonly #facts: FactLog;
  readonly #store: CheckpointStore;
  readonly #logger: Logger | undefined;
  readonly #ended = new Map<Source, Ending>();

  constructor(tools: { facts: FactLog; store: CheckpointStore; logger?: Logger }) {
    this.#facts = tools.facts;
    this.#store = tools.store;
    this.#logger = tools.logger;
  }

  /** All of them. */
  get sources(): Source[] {
    return [...this.#ended.keys()];
  }

  has(source: Source): boolean {
    return this.#ended.has(source);
  }

  /** The file of `source` is no more, or is given up. */
  end(source: Source, reason: LossReason, certain: boolean): void {
    source.state = 'CLOSED';
    source.phase = certain ? 'ended' : 'vanished';
    this.#ended.set(source, { reason, certain });
    this.#store.put(source.checkpoint);
  }

  /**
   * Takes out the one that the new file is a copy of, if any. Equal heads are not enough, as of tables with a headline: the bytes before what
   * was acknowledged must be the same too, and when these are few, the name must be that of a copy and the original truncated.
   */
  async takeOriginalOf(fd: number, file: FoundFile): Promise<Source | undefined> {
    for (const [source, { reason }] of this.#ended) {
      const { head, marker } = source.life;
      const telling = marker.end > HEAD_BYTES_MAX || (reason === 'truncated' && mayBeCopyOf(file.path, source.path));
      if (!telling || head.bytes === 0 || file.size < marker.end || reason === 'budget') continue;
      if (!(await compareHead(fd, head)) || !(await hasMarker(fd, marker)) || !this.#ended.has(source)) continue;
      if (file.size >= source.readPosition) this.#ended.delete(source);
      return source;
    }
    return undefined;
  }

  /** Tells the end of those of `sources` of which nothing is under way. */
  conclude(sources: Iterable<Source>): void {
    for (const source of sources) {
      const ending = this.#ended.get(source);
      if (!ending || !source.settled) continue;
      this.#ended.delete(source);
      this.#tell(source.checkpoint, ending);
      this.forget(source);
    }
  }

  /** Nothing is kept of a generation that is over and told. Its lines are in Kafka, but once more they can't be sent. */
  forget({ entryUid, path, generation }: Pick<Checkpoint, 'entryUid' | 'path' | 'generation'>): void {
    for (const { id: replay, acknowledged, end } of this.#store.replays.forGeneration(generation)) {
      const rest = { replay, path, generation, start: acknowledged.value, end };
      this.#logger?.warn('a replay ends early: the file is no more', rest);
    }
    this.#store.remove(entryUid, generation);
  }

  /** `source` is complete for good. */
  sealed({ checkpoint }: Source): void {
    const { entryUid, generation, path, first, position, rangeEnd } = checkpoint;
    this.#facts.sealed({ entryUid, generation, path, first, size: position, recordsEnd: rangeEnd });
  }

  #tell(checkpoint: Checkpoint, { reason, certain }: Ending): void {
    const { entryUid, generation, path, first, size, position, rangeEnd, ahead } = checkpoint;
    const subject = { entryUid, generation, path };
    const { gaps, last: reached } = gapsIn([...ahead, [size, size, size]], {
      position,
      rangeEnd,
      lineState: undefined,
    });
    const { position: end } = reached;
    const last = gaps.at(-1);
    for (const gap of gaps) {
      // What was filtered out before it would have been in the range of its first record.
      const between = gap.rangeStart < gap.start && { start: gap.rangeStart, bytes: gap.end - gap.start };
      const bytes = { start: gap.start, end: gap.end, ...between };
      this.#facts.loss({ ...subject, ...bytes, openEnded: gap === last, reason });
    }
    if (last) return;
    if (certain) this.#facts.sealed({ ...subject, first, size: end, recordsEnd: reached.rangeEnd });
    else this.#facts.loss({ ...subject, start: end, end, openEnded: true, reason });
  }
}
