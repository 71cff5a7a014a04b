import type { Logger } from '../../../runtime/logger.ts';
import type { FactLog, FactSubject, LossReason } from '../../model/fact.ts';
import { lineStates } from '../../model/line-state.ts';
import type { IntentSegment } from '../../model/segment.ts';

interface SegmentLoss {
  start: number;
  end: number;
  bytes: number;
  reason: LossReason;
}

/** Records what of a finished segment is in no record. */
export function recordLosses(
  facts: FactLog,
  { entryUid, generation, path }: FactSubject,
  segment: IntentSegment,
): void {
  for (const loss of lossesIn(segment)) facts.loss({ entryUid, generation, path, ...loss, openEnded: false });
}

/**
 * Logs that a replay's record is too large for the topic. It is not a loss: the line was delivered
 * before.
 */
export function logRefused(logger: Logger, { path }: FactSubject, segment: IntentSegment): void {
  const { generation, rangeStart: start, rangeEnd: end, replay } = segment;
  logger.warn('a record of a replay is too large for the topic now', { replay, path, generation, start, end });
}

function lossesIn(segment: IntentSegment): SegmentLoss[] {
  const { rangeStart, start, startState, rangeEnd, lastRecordStart, cut, holeBytes = 0, isRefused } = segment;
  const losses: SegmentLoss[] = [];
  if (cut) losses.push({ ...cut, reason: startState === lineStates.lost ? 'vanished' : 'too-long' });
  // The next record's range begins where the refused record's range ended.
  if (isRefused) {
    const bytes = rangeEnd - (lastRecordStart ?? Math.max(start, rangeStart) + (cut?.bytes ?? 0) + holeBytes);
    losses.push({ start: rangeStart, end: rangeEnd, bytes, reason: 'too-large' });
  }
  return losses;
}
