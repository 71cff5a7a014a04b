import type { IntentSegment } from '../state/intent-store.ts';
import { type CoveredRange, coveredBy, type Reached } from '../state/reached.ts';
import { ContiguousPosition } from './contiguous-position.ts';
import { RateMeter } from './rate-meter.ts';

/** What has become of the segments of one generation. */
export class Deliveries extends ContiguousPosition {
  #rate: RateMeter | undefined;
  /** Segments that have no answer yet. */
  underWay: number;

  /** `delivered`: what else Kafka has, as its logs say. */
  constructor(reached: Reached, delivered: readonly CoveredRange[], underWay: number) {
    super({ ...reached, ahead: [...reached.ahead, ...delivered] });
    this.underWay = underWay;
  }

  arrived(segment: IntentSegment, nowMs: number): void {
    this.underWay--;
    this.cover(coveredBy(segment));
    this.#rate ??= new RateMeter();
    this.#rate.add(segment.end - segment.start, nowMs);
  }

  bytesPerSecond(nowMs: number): number {
    return this.#rate?.perSecond(nowMs) ?? 0;
  }
}
