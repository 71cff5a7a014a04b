import type { Clock } from '../../../runtime/clock.ts';
import type { Logger } from '../../../runtime/logger.ts';
import type { Charset } from '../../encode/charset.ts';
import type { FactLog } from '../../model/fact.ts';
import type { IntentSegment } from '../../model/segment.ts';
import type { CheckpointStore } from '../../state/checkpoint-store.ts';
import type { FileBudget } from '../files/file-budget.ts';
import type { EntryTaps } from '../read/entry-taps.ts';
import type { RateLimits } from '../read/rate-limit.ts';
import type { CrashRecovery } from './crash-recovery.ts';
import type { Source } from './source.ts';

/** What the sources of one entry need. */
export interface SourceSetTools {
  clock: Clock;
  logger: Logger;
  store: CheckpointStore;
  facts: FactLog;
  recovery: CrashRecovery;
  budget: FileBudget;
  /** Files are complete as they are: an unterminated last line goes at once. */
  once: boolean;
  /** Where lines end: at a line feed unless told. */
  charset?: () => Charset;
  /** Who looks on while lines are read. */
  taps?: EntryTaps;
  /** How fast they may be read. */
  limits?: RateLimits;
  onAcknowledged(segment: IntentSegment, source: Source): void;
  onStateChange(): void;
}
