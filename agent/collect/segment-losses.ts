import type { FactLog, FactSubject, LossReason } from '../state/facts.ts';
import type { IntentSegment } from '../state/intent-store.ts';

interface SegmentLoss {
  start: number;
  end: number;
  bytes: number;
  reason: LossReason;
}

/** Tells what of a segment that is done with is in no record. */
export function tellLosses(facts: FactLog, { entryUid, generation, path }: FactSubject, segment: IntentSegment): void {
  for (const loss of lossesIn(segment)) facts.loss({ entryUid, generation, path, ...loss, openEnded: false });
}

function lossesIn({ rangeStart, start, rangeEnd, lastAt, cut, refused }: IntentSegment): SegmentLoss[] {
  const losses: SegmentLoss[] = [];
  if (cut) losses.push({ ...cut, reason: 'too-long' });
  // The next record's range begins where the refused one's ended.
  if (refused) {
    const bytes = rangeEnd - (lastAt ?? Math.max(start, rangeStart) + (cut?.bytes ?? 0));
    losses.push({ start: rangeStart, end: rangeEnd, bytes, reason: 'too-large' });
  }
  return losses;
}
