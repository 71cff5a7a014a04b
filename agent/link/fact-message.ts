import { type Begun_Reason, Fact as FactMessage, type Loss_Reason } from '../../proto/gen/logfleet/v1/fact.ts';
import type { BeginReason, Fact, LossReason } from '../model/fact.ts';

const reasons: Readonly<Record<LossReason, Loss_Reason>> = {
  truncated: 'REASON_TRUNCATED',
  vanished: 'REASON_VANISHED',
  budget: 'REASON_BUDGET',
  'too-long': 'REASON_TOO_LONG',
  'too-large': 'REASON_TOO_LARGE',
  unassigned: 'REASON_UNASSIGNED',
};

const beginReasons: Readonly<Record<BeginReason, Begun_Reason>> = {
  unknown: 'REASON_UNSPECIFIED',
  start: 'REASON_START',
  copy: 'REASON_COPY',
};

/** A fact as it is reported. The controller adds the agent. */
export function factMessage(fact: Fact): FactMessage {
  const { id, entry, path, generation, timeMs } = fact;
  return FactMessage.create({ id, entry, path, generation, time: new Date(timeMs), kind: kindOf(fact) });
}

function kindOf(fact: Fact): FactMessage['kind'] {
  if (fact.kind === 'sealed') {
    // A fact stored by an older agent has no `recordsEnd`.
    const { first, size, recordsEnd = size } = fact;
    return { $case: 'sealed', value: { first: BigInt(first), size: BigInt(size), recordsEnd: BigInt(recordsEnd) } };
  }
  if (fact.kind === 'begun') {
    const { first, reason } = fact;
    return { $case: 'begun', value: { first: BigInt(first), reason: beginReasons[reason] } };
  }
  const [start, end] = [BigInt(fact.start), BigInt(fact.end)];
  const bytes = BigInt(fact.bytes ?? fact.end - fact.start);
  const { openEnded, reason } = fact;
  return { $case: 'loss', value: { start, end, bytes, openEnded, reason: reasons[reason] } };
}
