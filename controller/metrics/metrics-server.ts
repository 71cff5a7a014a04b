import { createServer } from 'node:http';
import { errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { exposition, type MetricFamily } from './exposition.ts';

/**
 * Serves `/metrics` over HTTP at `address` until it is closed. Rejects when it cannot listen there.
 */
export async function serveMetrics(
  address: string,
  families: () => readonly MetricFamily[],
  logger: Logger,
): Promise<{ close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const isMetrics = request.url?.split('?')[0] === '/metrics';
    response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8');
    try {
      response
        .writeHead(isMetrics ? 200 : 404)
        .end(isMetrics ? exposition(families()) : 'not found: metrics are at /metrics\n');
    } catch (error) {
      logger.error('metrics not served', { error: errorText(error) });
      response.writeHead(500).end();
    }
  });
  const at = address.lastIndexOf(':');
  const host = address.slice(0, at).replace(/^\[|\]$/g, '');
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(Number(address.slice(at + 1)), host, resolve);
  });
  const { port } = server.address() as { port: number };
  logger.info('serving metrics', { address: `${address.slice(0, at)}:${port}` });
  return {
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
