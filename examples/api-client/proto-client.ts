import { type Client, credentials, loadPackageDefinition, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** A message in the words of the .proto files. */
export type Message = Record<string, unknown>;

/** One service. Calls reject, and streams throw, with grpc-js's ServiceError. */
export interface ServiceClient {
  call(method: string, request: Message): Promise<Message>;
  stream(method: string, request: Message): AsyncIterable<Message>;
}

/** How long to wait for a response. A watch has no deadline. */
const DEADLINE_MS = 10_000;

/**
 * Loads the services. Field names stay as in the .proto files, enums are their names, and int64 is
 * a string: a JavaScript number is not exact beyond 2^53. HTTP/2 pings notice a controller whose
 * host has failed: such a connection is never closed.
 */
export function createClients(protoFolder: string, controller: string) {
  const files = ['logfleet/v1/entry_service.proto', 'logfleet/v1/fleet_service.proto'];
  const loading = { includeDirs: [protoFolder], keepCase: true, enums: String, longs: String, defaults: true };
  // proto-loader makes classes at run time, so there are no types for them.
  // biome-ignore lint/suspicious/noExplicitAny: see above.
  const { EntryService, FleetService } = (loadPackageDefinition(loadSync(files, loading)) as any).logfleet.v1;
  const options = { 'grpc.keepalive_time_ms': 10_000, 'grpc.keepalive_timeout_ms': 5_000 };
  const clients: Client[] = [EntryService, FleetService].map(
    (Service) => new Service(controller, credentials.createInsecure(), options),
  );
  const [entries, fleet] = clients.map(serviceOf) as [ServiceClient, ServiceClient];
  return {
    entries,
    fleet,
    close: () => {
      for (const client of clients) client.close();
    },
  };
}

function serviceOf(client: Client): ServiceClient {
  // biome-ignore lint/suspicious/noExplicitAny: its methods are those of the .proto file.
  const methods = client as any;
  return {
    call: (method, request) =>
      new Promise((resolve, reject) => {
        const done = (error: ServiceError | null, response: Message) => (error ? reject(error) : resolve(response));
        methods[method](request, { deadline: Date.now() + DEADLINE_MS }, done);
      }),
    stream: async function* (method, request) {
      const call = methods[method](request);
      try {
        yield* call;
      } finally {
        // Also when the caller leaves its loop: the stream would keep the process alive.
        call.on('error', () => {});
        call.cancel();
      }
    },
  };
}
