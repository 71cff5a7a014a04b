import { createServer } from 'node:net';
import { StackError } from './tools.ts';

/**
 * Returns a free port on loopback: `wanted`, or any. Rejects if `wanted` is in use. Another process
 * can take the port before it is used, so call this late.
 */
export async function freePort(wanted = 0): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(new StackError('PORT_TAKEN', `port ${wanted} cannot be used: choose another one`, { cause: error }));
    });
    server.listen(wanted, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('the TCP server has no port');
  return address.port;
}
