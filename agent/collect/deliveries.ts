import type { IntentSegment } from '../state/intent-store.ts';
import { type CoveredRange, coveredBy, type Reached } from '../state/reached.ts';
import { ContiguousPosition } from './contiguous-position.ts';
import { RateMeter } from './rate-meter.ts';

/** What Kafka has of one generation, and how fast that grows. */
export class Deliveries extends ContiguousPosition {
  #rate: RateMeter | undefined;

  /** `delivered`: what else Kafka has, as its logs say. */
  constructor(reached: Reached, delivered: readonly CoveredRange[]) {
    super({ ...reached, ahead: [...reached.ahead, ...delivered] });
  }

  /** What is sent once more counts for the rate only. */
  arrived(segment: IntentSegment, nowMs: number): void {
    if (segment.replay === undefined) this.cover(coveredBy(segment));
    this.#rate ??= new RateMeter();
    this.#rate.add(segment.end - segment.start, nowMs);
  }

  bytesPerSecond(nowMs: number): number {
    return this.#rate?.perSecond(nowMs) ?? 0;
  }
}
