import type { Stream } from './grpc-client.ts';

/** A message of a call that queries agents, as in the .proto files. */
// biome-ignore lint/suspicious/noExplicitAny: messages of the .proto files have no types here.
export type Asking = any;

/** Reads a stream as it arrives. */
export function readStream(stream: Stream): { messages: Asking[]; ended: Promise<void>; cancel(): void } {
  const messages: Asking[] = [];
  const ended = (async () => {
    for await (const message of stream) messages.push(message);
  })();
  ended.catch(() => {});
  return { messages, ended, cancel: () => stream.cancel() };
}

/** All messages of a stream that ends. Rejects with the stream's error. */
export async function allOf(stream: Stream): Promise<Asking[]> {
  const { messages, ended } = readStream(stream);
  await ended;
  return messages;
}
