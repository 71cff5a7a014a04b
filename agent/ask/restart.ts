import type { Clock } from '../../runtime/clock.ts';
import type { EntryCollector } from '../collect/entry-collector.ts';
import { type Answerer, QuestionError } from './questions.ts';

const SETTLE_POLL_MS = 20;
/** Of the time there is, so much may go by while what is under way has no answer. */
const SETTLE_SHARE = 0.7;

/** Restarts an entry. Its open files stay open: a deleted one could not be opened again. */
export function restartAnswerer(find: (name: string) => EntryCollector | undefined, clock: Clock): Answerer<'restart'> {
  return async function* restart({ entry: name }, { deadlineMs }) {
    const collector = find(name);
    if (!collector) throw new QuestionError('CODE_NOT_FOUND', `${name} is not on this agent`);
    if (collector.halted) throw new QuestionError('CODE_ABORTED', `${name} is being restarted already`);
    const nowMs = clock.monotonicMs();
    const settleMs = nowMs + (deadlineMs - nowMs) * SETTLE_SHARE;
    collector.halt();
    // What a broken Kafka does not answer arrives, or is read again, whether the entry waits for it or not.
    while (!collector.settled && clock.monotonicMs() < settleMs) await clock.sleep(SETTLE_POLL_MS);
    if (find(name) !== collector) throw new QuestionError('CODE_ABORTED', `${name} was removed meanwhile`);
    collector.apply(collector.entry);
    await collector.scan();
    yield { $case: 'restart', value: { files: [...collector.sources].length } };
  };
}
