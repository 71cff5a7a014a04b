import { appendFile } from 'node:fs/promises';
import { systemClock } from '../../runtime/clock.ts';

/** Appends numbered lines until it is stopped. */
export interface LineWriter {
  /** Lines written so far. */
  readonly lines: number;
  /** Everything written so far. */
  readonly bytes: Buffer;
  stop(): Promise<void>;
}

const PAUSE_MS = 5;
const LINES_AT_ONCE = 7;

/** Writes as services do: a few lines at a time, sometimes half a line. */
export function startWriter(file: string): LineWriter {
  const parts: string[] = [];
  let lines = 0;
  let stopped = false;
  const write = async (text: string) => {
    await appendFile(file, text);
    parts.push(text);
  };
  const writing = (async () => {
    while (!stopped) {
      const text = Array.from({ length: LINES_AT_ONCE }, () => `line ${lines++} ${'x'.repeat(lines % 50)}\n`).join('');
      const half = Math.floor(text.length / 2);
      await write(text.slice(0, half));
      await write(text.slice(half));
      await systemClock.sleep(PAUSE_MS);
    }
  })();
  return {
    get lines() {
      return lines;
    },
    get bytes() {
      return Buffer.from(parts.join(''));
    },
    stop: async () => {
      stopped = true;
      await writing;
    },
  };
}
