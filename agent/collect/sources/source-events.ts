import type { IntentSegment } from '../../model/segment.ts';
import type { EntryTaps } from '../read/entry-taps.ts';
import type { RateLimits } from '../read/rate-limit.ts';
import type { Source } from './source.ts';

/** Told by a source to whoever keeps it. */
export interface SourceEvents {
  /** The acknowledged position moved, or that of a replay. */
  onAcknowledged(source: Source, segment: IntentSegment): void;
  /** A read failed, or works again. */
  onStateChange(source: Source): void;
  /** Opens the file again, to be looked at; false when that must wait. Without it, the file stays open. */
  reopen?(source: Source): Promise<boolean>;
  /** The file has something to read and is not open: it must be looked at first. */
  onUnopened?(source: Source): void;
  /** A read has seen that the file was truncated: it must be looked at. */
  onOtherLife?(source: Source): void;
  /** Who looks on while lines are read. */
  taps?: EntryTaps | undefined;
  /** How fast it may be read; without it, as fast as it can. */
  limits?: RateLimits | undefined;
}

/** What a look found: `learned`: more is known of the file, for the checkpoint. */
export type Seen = 'same' | 'learned' | 'truncated' | 'compressed';
