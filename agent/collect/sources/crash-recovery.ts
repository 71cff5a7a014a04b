import assert from 'node:assert/strict';
import { rethrowDefect } from '../../../runtime/errors.ts';
import type { Logger } from '../../../runtime/logger.ts';
import type { RecordBatch } from '../../encode/record-batch.ts';
import type { Workbench, WorkPool } from '../../encode/work-pool.ts';
import type { Checkpoint } from '../../model/checkpoint.ts';
import { ContiguousPosition } from '../../model/contiguous-position.ts';
import type { FactLog } from '../../model/fact.ts';
import { withMarker } from '../../model/fingerprint.ts';
import { fileKey } from '../../model/found-file.ts';
import { coveredRange } from '../../model/position.ts';
import type { InheritedRanges, IntentSegment, OpenIntent } from '../../model/segment.ts';
import type { RecoveredBatch } from '../../produce/queued-batch.ts';
import { rebuildBatch } from '../../produce/rebuild-batch.ts';
import type { CheckpointStore } from '../../state/checkpoint-store.ts';
import type { FileBudget } from '../files/file-budget.ts';
import { hasFingerprint } from '../files/file-head.ts';
import { findMovedFiles } from '../files/missing-files.ts';
import { encodeSegment } from '../read/encode-segment.ts';
import { recordLosses } from '../read/segment-losses.ts';
import type { Source } from './source.ts';

/** A segment of an open intent. */
interface RecoveredSegment {
  readonly segment: IntentSegment;
  readonly intent: OpenIntent;
  /**
   * - open: it may be in Kafka.
   * - acknowledged: it was found in Kafka.
   * - returned: it is not in Kafka, so its lines must be read again.
   * - inherited: as returned, and a source knows it. The source may have read the lines already.
   */
  state: 'open' | 'acknowledged' | 'returned' | 'inherited';
}

interface OpenFile {
  fd: number;
  /** The path that the lines were sent with. */
  path: string;
  close(): void;
}

export interface CrashRecoveryDependencies {
  store: CheckpointStore;
  facts: FactLog;
  pool: WorkPool;
  budget: FileBudget;
  logger: Logger;
}

/**
 * The batches that the previous process had sent, or was about to send, when it was killed. Their
 * partition producers find out which of them Kafka has. The others are built again from the same
 * bytes of the same files. Each outcome goes to the generation's source or, as long as there is no
 * source, to its checkpoint.
 */
export class CrashRecovery {
  readonly batches: readonly RecoveredBatch[];
  readonly #dependencies: CrashRecoveryDependencies;
  readonly #segments = new Map<string, RecoveredSegment[]>();
  readonly #checkpoints: ReadonlyMap<string, Checkpoint>;
  /** By generation. */
  readonly #sources = new Map<string, Source>();

  constructor(intents: readonly OpenIntent[], dependencies: CrashRecoveryDependencies) {
    this.#dependencies = dependencies;
    this.batches = intents.map((intent) => this.#recover(intent));
    const checkpoints = intents.length === 0 ? [] : dependencies.store.all();
    const own = checkpoints.filter(({ generation }) => this.#segments.has(generation));
    this.#checkpoints = new Map(own.map((checkpoint) => [checkpoint.generation, this.withSegments(checkpoint)]));
  }

  /**
   * A checkpoint, with what only its generation's segments show. The file had their bytes, which
   * may be more than its last observation noted. Later lines follow them to the same partition.
   */
  withSegments(checkpoint: Checkpoint): Checkpoint {
    let { size, markers, topic, partition } = checkpoint;
    for (const { segment, intent } of this.#segments.get(checkpoint.generation) ?? []) {
      size = Math.max(size, segment.end);
      if (segment.marker) markers = withMarker(markers, segment.marker);
      ({ topic, partition } = intent);
    }
    return { ...checkpoint, size, markers, topic, partition };
  }

  /**
   * What a new source must know of its generation's segments, or of those of one replay. Call
   * `bind` in the same turn: the source then gets the other outcomes.
   */
  inherit(generation: string, replay?: string): InheritedRanges {
    const own = (this.#segments.get(generation) ?? []).filter(({ segment }) => segment.replay === replay);
    const segmentsIn = (wanted: RecoveredSegment['state']) =>
      own.filter(({ state }) => state === wanted).map(({ segment }) => segment);
    const returned = segmentsIn('returned');
    for (const one of own) if (one.state === 'returned') one.state = 'inherited';
    return { open: segmentsIn('open'), acknowledged: segmentsIn('acknowledged').map(coveredRange), returned };
  }

  /** Outcomes go to `source` from now on. */
  bind(source: Source): void {
    if (this.#segments.has(source.generation)) this.#sources.set(source.generation, source);
  }

  #recover(intent: OpenIntent): RecoveredBatch {
    const own = intent.segments.map((segment): RecoveredSegment => ({ segment, intent, state: 'open' }));
    for (const one of own) {
      const { generation } = one.segment;
      const list = this.#segments.get(generation);
      if (list) list.push(one);
      else this.#segments.set(generation, [one]);
    }
    return {
      intent,
      build: () => this.#build(intent),
      onAcknowledged: () => {
        for (const one of own) this.#acknowledged(one);
      },
      onReturned: () => {
        for (const one of own) this.#returned(one);
      },
    };
  }

  #acknowledged(recovered: RecoveredSegment): void {
    const { segment } = recovered;
    assert(recovered.state === 'open', 'a recovered segment has two outcomes');
    recovered.state = 'acknowledged';
    const { store, facts } = this.#dependencies;
    const source = this.#sources.get(segment.generation);
    const checkpoint = this.#checkpoints.get(segment.generation);
    source?.acknowledged(segment);
    if (source || !checkpoint) return;
    if (segment.replay !== undefined) {
      store.replays.acknowledged(segment);
      return;
    }
    const position = new ContiguousPosition(checkpoint);
    position.add(coveredRange(segment));
    Object.assign(checkpoint, position.progress);
    store.put({ ...checkpoint });
    recordLosses(facts, checkpoint, segment);
  }

  #returned(recovered: RecoveredSegment): void {
    const { segment } = recovered;
    assert(recovered.state === 'open', 'a recovered segment has two outcomes');
    const source = this.#sources.get(segment.generation);
    recovered.state = source ? 'inherited' : 'returned';
    source?.returned(segment);
  }

  async #build(intent: OpenIntent): Promise<RecordBatch | undefined> {
    const { pool, logger } = this.#dependencies;
    try {
      return await rebuildBatch(intent, pool, (_index, segment, bench) => this.#encode(segment, bench));
    } catch (error) {
      rethrowDefect(error);
      const { topic, partition } = intent;
      logger.warn('batch of the previous process cannot be built again, its lines are read again', {
        topic,
        partition,
        error,
      });
      return undefined;
    }
  }

  /** Rejects if the bytes no longer exist. */
  async #encode(segment: IntentSegment, bench: Workbench): Promise<void> {
    const file = await this.#open(segment.generation);
    try {
      await encodeSegment(file, segment, bench);
    } finally {
      file.close();
    }
  }

  /** The generation's file: as its source has it open, or opened again. Rejects if it is gone. */
  async #open(generation: string): Promise<OpenFile> {
    const source = this.#sources.get(generation);
    if (source && !source.isClosed && source.file.isOpen) return { fd: source.fd, path: source.path, close: () => {} };
    const checkpoint = this.#checkpoints.get(generation);
    if (!checkpoint) throw new Error(`generation ${generation} is unknown`);
    const here = await this.#openAt(checkpoint, checkpoint.path).catch(() => undefined);
    if (here) return here;
    // It may have been renamed while no agent ran.
    const path = (await findMovedFiles([checkpoint], [])).get(checkpoint);
    const there = path === undefined ? undefined : await this.#openAt(checkpoint, path);
    if (there) return there;
    throw new Error(`${checkpoint.path} was deleted or replaced`);
  }

  /** undefined: the path has another file. */
  async #openAt(checkpoint: Checkpoint, path: string): Promise<OpenFile | undefined> {
    const { budget } = this.#dependencies;
    const { fd, file } = await budget.open(path);
    const isSame = fileKey(file) === fileKey(checkpoint) && (await hasFingerprint(fd, checkpoint));
    if (isSame) return { fd, path: checkpoint.path, close: () => budget.close(fd) };
    budget.close(fd);
    return undefined;
  }
}
