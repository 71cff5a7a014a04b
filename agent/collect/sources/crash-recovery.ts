import type { Logger } from '../../../runtime/logger.ts';
import type { RecordBatch } from '../../encode/record-batch.ts';
import type { Workbench, WorkPool } from '../../encode/work-pool.ts';
import type { Checkpoint } from '../../model/checkpoint.ts';
import { ContiguousPosition } from '../../model/contiguous-position.ts';
import type { FactLog } from '../../model/fact.ts';
import { fileKey } from '../../model/found-file.ts';
import { coveredRange } from '../../model/position.ts';
import type { InheritedRanges, IntentSegment, OpenIntent } from '../../model/segment.ts';
import type { RecoveredBatch } from '../../produce/queued-batch.ts';
import { rebuildBatch } from '../../produce/rebuild-batch.ts';
import type { CheckpointStore } from '../../state/checkpoint-store.ts';
import type { FileBudget } from '../files/file-budget.ts';
import { compareHead, hasMarker } from '../files/file-head.ts';
import { NOT_OPEN } from '../files/file-io.ts';
import { findMovedFiles } from '../files/missing-files.ts';
import { encodeSegment } from '../read/encode-segment.ts';
import { recordLosses } from '../read/segment-losses.ts';
import type { Source } from './source.ts';

interface FormerSegment {
  segment: IntentSegment;
  /** `returned`: its lines are to be read again; `taken`: and a source has been told so, which may have read them by now. */
  state: 'open' | 'delivered' | 'returned' | 'taken';
}

interface OpenFile {
  fd: number;
  /** As it was when the lines were sent. */
  path: string;
  close(): void;
}

export interface CrashRecoveryTools {
  store: CheckpointStore;
  facts: FactLog;
  pool: WorkPool;
  budget: FileBudget;
  logger: Logger;
}

/**
 * The batches that a former process had under way when it was killed. Their producers find out which of them Kafka has; the others are built
 * again from the same bytes of the same files. What becomes of them is told to the source of each generation, or, as long as there
 * is none, to its checkpoint.
 */
export class CrashRecovery {
  readonly batches: readonly RecoveredBatch[];
  readonly #tools: CrashRecoveryTools;
  readonly #segments = new Map<string, FormerSegment[]>();
  readonly #checkpoints: ReadonlyMap<string, Checkpoint>;
  readonly #sources = new Map<string, Source>();

  constructor(intents: readonly OpenIntent[], tools: CrashRecoveryTools) {
    this.#tools = tools;
    this.batches = intents.map((intent) => this.#recovered(intent));
    const checkpoints = intents.length === 0 ? [] : tools.store.all();
    const own = checkpoints.filter(({ generation }) => this.#segments.has(generation));
    this.#checkpoints = new Map(own.map((checkpoint) => [checkpoint.generation, checkpoint]));
  }

  /** What `source` has to know of its generation's past, or of that of a replay of it; from now on it is told the rest. */
  inherit(generation: string, replay?: string): InheritedRanges {
    const former = (this.#segments.get(generation) ?? []).filter(({ segment }) => segment.replay === replay);
    const those = (wanted: FormerSegment['state']) =>
      former.filter(({ state }) => state === wanted).map(({ segment }) => segment);
    const returned = those('returned');
    for (const each of former) if (each.state === 'returned') each.state = 'taken';
    return { open: those('open'), acknowledged: those('delivered').map(coveredRange), returned };
  }

  /** Tells `source` what becomes of what it inherited. */
  bind(source: Source): void {
    if (this.#segments.has(source.generation)) this.#sources.set(source.generation, source);
  }

  #recovered(intent: OpenIntent): RecoveredBatch {
    const former = intent.segments.map((segment): FormerSegment => ({ segment, state: 'open' }));
    for (const each of former) {
      const { generation } = each.segment;
      const list = this.#segments.get(generation);
      if (list) list.push(each);
      else this.#segments.set(generation, [each]);
    }
    return {
      intent,
      build: () => this.#build(intent),
      onAcknowledged: () => {
        for (const each of former) this.#acknowledged(each);
      },
      onReturned: () => {
        for (const each of former) {
          const source = this.#sources.get(each.segment.generation);
          each.state = source ? 'taken' : 'returned';
          source?.returned(each.segment);
        }
      },
    };
  }

  #acknowledged(former: FormerSegment): void {
    const { segment } = former;
    former.state = 'delivered';
    const source = this.#sources.get(segment.generation);
    const checkpoint = this.#checkpoints.get(segment.generation);
    source?.acknowledged(segment);
    if (source || !checkpoint) return;
    if (segment.replay !== undefined) {
      this.#tools.store.replays.acknowledged(segment);
      return;
    }
    const delivered = new ContiguousPosition(checkpoint);
    delivered.add(coveredRange(segment));
    Object.assign(checkpoint, delivered.progress);
    this.#tools.store.put({ ...checkpoint });
    recordLosses(this.#tools.facts, checkpoint, segment);
  }

  async #build(intent: OpenIntent): Promise<RecordBatch | undefined> {
    const { pool, logger } = this.#tools;
    try {
      return await rebuildBatch(intent, pool, (_index, segment, bench) => this.#encode(segment, bench));
    } catch (error) {
      logger.warn('a batch of the former process can not be built again; its lines are read anew', { error });
      return undefined;
    }
  }

  /** Rejects when the bytes are not there any more. */
  async #encode(segment: IntentSegment, bench: Workbench): Promise<void> {
    const file = await this.#open(segment.generation);
    try {
      await encodeSegment(file, segment, bench);
    } finally {
      file.close();
    }
  }

  /** The generation's file, as its source has it open or else from its path. Rejects when it is not there. */
  async #open(generation: string): Promise<OpenFile> {
    const source = this.#sources.get(generation);
    if (source && source.state !== 'CLOSED' && source.fd !== NOT_OPEN)
      return { fd: source.fd, path: source.path, close: () => {} };
    const checkpoint = this.#checkpoints.get(generation);
    if (!checkpoint) throw new Error(`generation ${generation} is not known any more`);
    const here = await this.#openAt(checkpoint, checkpoint.path).catch(() => undefined);
    if (here) return here;
    // It may have been renamed while nobody looked.
    const path = (await findMovedFiles([checkpoint], [])).get(checkpoint);
    const there = path === undefined ? undefined : await this.#openAt(checkpoint, path);
    if (there) return there;
    throw new Error(`${checkpoint.path} is another file now, or gone`);
  }

  /** undefined when it is another file. */
  async #openAt(checkpoint: Checkpoint, path: string): Promise<OpenFile | undefined> {
    const { budget } = this.#tools;
    const { fd, file } = await budget.open(path);
    const same =
      fileKey(file) === fileKey(checkpoint) &&
      (await compareHead(fd, checkpoint.head)) &&
      (await hasMarker(fd, checkpoint.marker));
    if (same) return { fd, path: checkpoint.path, close: () => budget.close(fd) };
    budget.close(fd);
    return undefined;
  }
}
