import { type ServiceError, status } from '@grpc/grpc-js';
import type { Stream } from './grpc-client.ts';

/** Sends the Hello of an agent with this id. */
export function hello(stream: Stream, agentId: string, more: object = {}): Stream {
  const identity = { agent_id: agentId, host: 'h', os: 'linux', labels: {} };
  stream.write({ hello: { identity, instance_id: 'one', ...more } });
  return stream;
}

/** How a stream ended. */
export async function ending(stream: Stream): Promise<{ code: number; details: string }> {
  try {
    for await (const _ of stream);
  } catch (error) {
    const { code, details } = error as ServiceError;
    return { code, details };
  }
  return { code: status.OK, details: '' };
}

/** The next desired state. */
export async function next(stream: Stream): Promise<Record<string, never>> {
  const { value } = await stream[Symbol.asyncIterator]().next();
  return (value as { desired: Record<string, never> }).desired;
}
