import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { EntryCollector } from './entry-collector.ts';
import type { FileCollector } from './file-collector.ts';

const LOOK_INTERVAL_MS = 20;
/** How often progress is logged. */
const WAITING_INTERVAL_MS = 10_000;

/** Kafka refuses an entry's lines for this long before they are given up for this run. */
const REFUSED_MS = 10_000;

/**
 * Resolves when Kafka has all lines of all entries' files, except of entries whose lines it keeps
 * refusing. Logs now and then what it waits for. Rejects if lines are refused.
 */
export async function waitUntilComplete(
  collector: FileCollector,
  { clock, logger }: { clock: Clock; logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  /** When each refused entry was first seen refused. */
  const refusedMs = new Map<string, number>();
  for (let loggedMs = clock.monotonicMs(); ; ) {
    const waiting = [...collector.entries].filter((entry) => !entry.isComplete);
    for (const { entry, refusal } of waiting) {
      if (!refusal) refusedMs.delete(entry.name);
      else if (!refusedMs.has(entry.name)) refusedMs.set(entry.name, clock.monotonicMs());
    }
    const isGivenUp = ({ entry }: { entry: { name: string } }) =>
      clock.monotonicMs() - (refusedMs.get(entry.name) ?? Number.POSITIVE_INFINITY) > REFUSED_MS;
    if (waiting.every(isGivenUp)) return requireNone(waiting);
    await clock.sleep(LOOK_INTERVAL_MS, signal);
    if (clock.monotonicMs() - loggedMs < WAITING_INTERVAL_MS) continue;
    loggedMs = clock.monotonicMs();
    const { health, entries: statuses, files } = collector.report();
    const file = files.find(({ lastError }) => lastError !== '');
    const error =
      health.error || statuses.find((status) => status.error)?.error || (file && `${file.path}: ${file.lastError}`);
    const { lagBytes, deliveredBytes } = health;
    logger.info('waiting for lines to be acknowledged', { lagBytes, deliveredBytes, error });
  }
}

function requireNone(refused: readonly EntryCollector[]): void {
  if (refused.length === 0) return;
  const reasons = refused.map(({ entry, refusal }) => `${entry.name}: ${refusal}`);
  throw new Error([...reasons, 'the refused lines stay in their files; the next start sends them'].join('\n'));
}
