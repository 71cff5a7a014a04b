import type { Workbench } from '../encode/work-pool.ts';
import type { IntentSegment } from '../model/segment.ts';

/** A run of lines of one source in one batch. */
export interface Segment extends IntentSegment {
  source: RouteSource;
}

/** The result of one turn of a source. */
export interface SourceTurn {
  segment: Segment | undefined;
  /** The source probably has more to read now. */
  hasMore: boolean;
  /** The batch has no room for the source's next line. */
  isFull: boolean;
}

/** What a source knows of its route. */
export interface SourceRoute {
  readonly topic: string;
  readonly partition: number;
}

/** What a route reads from. A source belongs to one route at a time. */
export interface RouteSource {
  /** Whether the source still sends through this route. */
  usesRoute(route: SourceRoute): boolean;
  /** Reads on and encodes lines into the bench's records. Never rejects. */
  fill(bench: Workbench): Promise<SourceTurn>;
  /**
   * Encodes a segment again, from the same bytes into the same records. Rejects if the file no
   * longer has those bytes.
   */
  encodeAgain(segment: IntentSegment, bench: Workbench): Promise<void>;
  /**
   * Kafka has confirmed the segment, or it is given up (`isRefused`). Segments may be acknowledged
   * in any order.
   */
  acknowledged(segment: IntentSegment): void;
  /** Kafka does not have the segment and will not get it from this batch: read it again. */
  returned(segment: IntentSegment): void;
}
