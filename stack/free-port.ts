import { createServer } from 'node:net';
import { StackError } from './tools.ts';

/**
 * A port on loopback that nobody listens on: any, or `wanted`, and then it rejects when that is taken. Ask late: somebody else may take it
 * meanwhile.
 */
export async function freePort(wanted = 0): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(new StackError('PORT_TAKEN', `port ${wanted} can't be used: choose another`, { cause: error }));
    });
    server.listen(wanted, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('a TCP server without a port');
  return address.port;
}
