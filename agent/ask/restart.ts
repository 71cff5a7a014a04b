import type { Clock } from '../../runtime/clock.ts';
import type { EntryCollector } from '../collect/entry-collector.ts';
import { RequestError, type RequestHandler } from './request-handler.ts';

const SETTLE_POLL_MS = 20;
/** The share of the available time to wait for unanswered batches. */
const SETTLE_SHARE = 0.7;

/** Restarts an entry. Its files stay open: a deleted one could not be opened again. */
export function restartHandler(
  find: (name: string) => EntryCollector | undefined,
  clock: Clock,
): RequestHandler<'restart'> {
  /** Entries that are being restarted. A second request waits for the same restart. */
  const stopped = new Map<EntryCollector, Promise<void>>();
  const restart = async (collector: EntryCollector, settleMs: number) => {
    collector.halt();
    // A batch that stays unanswered is delivered or read again later, whether this waits or not.
    while (!collector.isSettled && clock.monotonicMs() < settleMs) await clock.sleep(SETTLE_POLL_MS);
    const { name } = collector.entry;
    if (find(name) !== collector) throw new RequestError('CODE_ABORTED', `${name} was removed meanwhile`);
    collector.apply(collector.entry);
  };
  return async function* answer({ entry }, { deadlineMs }) {
    const collector = find(entry);
    if (!collector) throw new RequestError('CODE_NOT_FOUND', `${entry} is not on this agent`);
    const nowMs = clock.monotonicMs();
    let started = stopped.get(collector);
    if (!started) {
      const settleMs = nowMs + (deadlineMs - nowMs) * SETTLE_SHARE;
      started = restart(collector, settleMs).finally(() => stopped.delete(collector));
      stopped.set(collector, started);
    }
    await started;
    await collector.scan();
    yield { $case: 'restart', value: { files: [...collector.sources].length } };
  };
}
