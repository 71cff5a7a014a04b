import { createConnection } from 'node:net';
import { systemClock } from '../runtime/clock.ts';
import { errorText } from '../runtime/errors.ts';
import type { LocalProcess } from './local-process.ts';
import { StackError } from './tools.ts';

const POLL_INTERVAL_MS = 50;

/**
 * Waits until `isUp` resolves to true. Rejects with the server's last lines if the server exits, or
 * after `timeoutMs`.
 */
export async function waitUntilUp(
  name: string,
  server: LocalProcess,
  timeoutMs: number,
  isUp: () => Promise<boolean>,
): Promise<void> {
  const deadline = systemClock.monotonicMs() + timeoutMs;
  let ended = false;
  let last = '';
  void server.exited.then(() => {
    ended = true;
  });
  for (;;) {
    if (ended) throw new StackError('NOT_UP', `${name} exited at once:\n${await server.lastLines()}`);
    try {
      // If it has ended, another server at the same port responded.
      if ((await isUp()) && !ended) return;
    } catch (error) {
      last = errorText(error);
    }
    if (systemClock.monotonicMs() > deadline) {
      await server.stop();
      throw new StackError(
        'NOT_UP',
        `${name} is not up after ${timeoutMs / 1000} s: ${last}\n${await server.lastLines()}`,
      );
    }
    await systemClock.sleep(POLL_INTERVAL_MS);
  }
}

/** Resolves to true if a server listens on a port of this machine. Rejects otherwise. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
