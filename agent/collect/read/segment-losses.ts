import type { Logger } from '../../../runtime/logger.ts';
import type { FactLog, FactSubject, LossReason } from '../../model/fact.ts';
import type { IntentSegment } from '../../model/segment.ts';

interface SegmentLoss {
  start: number;
  end: number;
  bytes: number;
  reason: LossReason;
}

/** Tells what of a segment that is done with is in no record. */
export function recordLosses(
  facts: FactLog,
  { entryUid, generation, path }: FactSubject,
  segment: IntentSegment,
): void {
  for (const loss of lossesIn(segment)) facts.loss({ entryUid, generation, path, ...loss, openEnded: false });
}

/** Of lines that are sent once more, and that the topic takes no longer. */
export function logRefused(logger: Logger, { path }: FactSubject, segment: IntentSegment): void {
  const { generation, rangeStart: start, rangeEnd: end, replay } = segment;
  logger.warn('a record of a replay is too large for the topic by now', { replay, path, generation, start, end });
}

function lossesIn({ rangeStart, start, rangeEnd, lastRecordStart, cut, isRefused }: IntentSegment): SegmentLoss[] {
  const losses: SegmentLoss[] = [];
  if (cut) losses.push({ ...cut, reason: 'too-long' });
  // The next record's range begins where the refused one's ended.
  if (isRefused) {
    const bytes = rangeEnd - (lastRecordStart ?? Math.max(start, rangeStart) + (cut?.bytes ?? 0));
    losses.push({ start: rangeStart, end: rangeEnd, bytes, reason: 'too-large' });
  }
  return losses;
}
