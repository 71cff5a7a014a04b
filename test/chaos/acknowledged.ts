import { systemClock } from '../../runtime/clock.ts';
import type { Collector } from './collector.ts';

const LOOK_INTERVAL_MS = 200;

/**
 * Waits until the collector reports that Kafka has all of a file. Reports of a previous generation
 * at the path don't count.
 */
export function acknowledgements(collector: Pick<Collector, 'files'>) {
  const formerGenerations = new Map<string, string>();
  return async (path: string, size: number, signal: AbortSignal): Promise<void> => {
    for (;;) {
      const files = (await collector.files()) ?? [];
      const done = files.find(
        (file) => file.path === path && file.position === size && file.generation !== formerGenerations.get(path),
      );
      if (done) {
        formerGenerations.set(path, done.generation);
        return;
      }
      await systemClock.sleep(LOOK_INTERVAL_MS, signal);
    }
  };
}

/**
 * The bytes that the collector has not delivered, by its own report; undefined if it reports
 * nothing.
 */
export async function lagBytes(collector: Collector): Promise<number | undefined> {
  const files = await collector.files();
  return files?.reduce((sum, { size, position }) => sum + size - position, 0);
}
