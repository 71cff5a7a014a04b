import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { FileCollector } from './file-collector.ts';

const LOOK_INTERVAL_MS = 20;
/** How often progress is logged. */
const WAITING_INTERVAL_MS = 10_000;

/** Resolves when Kafka has all lines of all entries' files. Logs now and then what it waits for. */
export async function waitUntilComplete(
  collector: FileCollector,
  { clock, logger }: { clock: Clock; logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  for (let loggedMs = clock.monotonicMs(); ; ) {
    if ([...collector.entries].every((entry) => entry.isComplete)) return;
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
