import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { FileCollector } from './file-collector.ts';

const LOOK_INTERVAL_MS = 20;
/** While `--once` waits. */
const WAITING_INTERVAL_MS = 10_000;

/** Resolves when all that the files of all entries hold is in Kafka; tells now and then what it waits for. */
export async function waitUntilComplete(
  collector: FileCollector,
  { clock, logger }: { clock: Clock; logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  for (let toldMs = clock.monotonicMs(); ; ) {
    if ([...collector.entries].every((entry) => entry.isComplete)) return;
    await clock.sleep(LOOK_INTERVAL_MS, signal);
    if (clock.monotonicMs() - toldMs < WAITING_INTERVAL_MS) continue;
    toldMs = clock.monotonicMs();
    const { health, entries: statuses, files } = collector.report();
    const file = files.find(({ lastError }) => lastError !== '');
    const error =
      health.error || statuses.find((status) => status.error)?.error || (file && `${file.path}: ${file.lastError}`);
    logger.info('not all is acknowledged yet', { lagBytes: health.lagBytes, delivered: health.deliveredBytes, error });
  }
}
