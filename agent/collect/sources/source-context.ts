import type { Clock } from '../../../runtime/clock.ts';
import type { IntentSegment } from '../../model/segment.ts';
import type { EntryTaps } from '../read/entry-taps.ts';
import type { RateLimits } from '../read/rate-limit.ts';

/** What all sources of one entry share: one object, because there are thousands of sources. */
export interface SourceContext<S> {
  readonly clock: Clock;
  /** The files will not grow: an unterminated last line is always due. */
  readonly once?: boolean | undefined;
  readonly taps?: EntryTaps | undefined;
  /** Without limits, files are read as fast as possible. */
  readonly limits?: RateLimits | undefined;
  readonly observer: SourceObserver<S>;
}

/** Observes what happens to the sources of one entry. */
export interface SourceObserver<S> {
  /** A segment was acknowledged; the source's position has moved already. */
  acknowledged(source: S, segment: IntentSegment): void;
  /** A source has another state or another error, which the fleet shows. */
  stateChanged(source: S): void;
  /** The source's phase has changed, so its checkpoint must be stored. */
  phaseChanged(source: S): void;
  /** The file is not open and must be observed now: it has lines to read. */
  fileNeeded(source: S): void;
  /** A read found other bytes than were read before: the file must be observed now. */
  replaced(source: S): void;
  /**
   * Opens the file again, to be observed. false: it cannot be opened now. Rejects with the
   * system's error.
   */
  reopen(source: S): Promise<boolean>;
}
