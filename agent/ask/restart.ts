import type { Clock } from '../../runtime/clock.ts';
import type { EntryCollector } from '../collect/entry-collector.ts';
import { type Answerer, QuestionError } from './questions.ts';

const SETTLE_POLL_MS = 20;
/** Of the time there is, so much may go by while what is under way has no answer. */
const SETTLE_SHARE = 0.7;

/** Restarts an entry. Its open files stay open: a deleted one could not be opened again. */
export function restartAnswerer(find: (name: string) => EntryCollector | undefined, clock: Clock): Answerer<'restart'> {
  /** Entries that are stopped: whoever asks meanwhile waits for the same start. */
  const stopped = new Map<EntryCollector, Promise<void>>();
  const restart = async (collector: EntryCollector, settleMs: number) => {
    collector.halt();
    // What a broken Kafka does not answer arrives, or is read again, whether the entry waits for it or not.
    while (!collector.settled && clock.monotonicMs() < settleMs) await clock.sleep(SETTLE_POLL_MS);
    const { name } = collector.entry;
    if (find(name) !== collector) throw new QuestionError('CODE_ABORTED', `${name} was removed meanwhile`);
    collector.apply(collector.entry);
  };
  return async function* answer({ entry }, { deadlineMs }) {
    const collector = find(entry);
    if (!collector) throw new QuestionError('CODE_NOT_FOUND', `${entry} is not on this agent`);
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
