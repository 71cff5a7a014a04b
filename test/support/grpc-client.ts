import { join } from 'node:path';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { Client, credentials, loadPackageDefinition, Metadata, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { BadRequest } from 'nice-grpc-error-details';

const PROTO = join(import.meta.dirname, '..', '..', 'proto');

type Message = Record<string, unknown>;
type Unary = (
  request: Message,
  metadata: Metadata,
  callback: (error: ServiceError | null, answer: Message) => void,
) => void;
/** A stream of a dynamic client, as far as tests use it. */
export interface Stream extends AsyncIterable<Message> {
  write(message: Message): void;
  end(): void;
  cancel(): void;
  on(event: 'error', listener: (error: ServiceError) => void): this;
}

/** A client created from the published .proto files alone, as another service would create one. */
export interface ApiClient extends Disposable {
  // biome-ignore lint/suspicious/noExplicitAny: messages of the .proto files have no types here.
  call(service: string, method: string, request: Message, metadata?: Record<string, string>): Promise<any>;
  stream(service: string, method: string, request?: Message): Stream;
}

export function apiClient(address: string): ApiClient {
  const files = ['entry_service.proto', 'fleet_service.proto', 'agent_service.proto', 'rollout_service.proto'].map(
    (name) => `logfleet/v1/${name}`,
  );
  const definition = loadSync(files, {
    includeDirs: [PROTO],
    keepCase: true,
    enums: String,
    longs: String,
    defaults: true,
  });
  const services = (
    loadPackageDefinition(definition) as unknown as {
      logfleet: { v1: Record<string, new (...args: unknown[]) => Client> };
    }
  ).logfleet.v1;
  const clients = new Map<string, Client>();
  const clientOf = (service: string) => {
    const Service = services[service];
    if (!Service) throw new Error(`no service ${service}`);
    const client = clients.get(service) ?? new Service(address, credentials.createInsecure());
    clients.set(service, client);
    return client as unknown as Record<string, Unary>;
  };
  return {
    call: (service, method, request, metadata = {}) =>
      new Promise((resolve, reject) => {
        clientOf(service)[method]?.call(
          clients.get(service),
          request,
          Metadata.fromHttp2Headers(metadata),
          (error, answer) => (error ? reject(error) : resolve(answer)),
        );
      }),
    stream: (service, method, request) => {
      const client = clientOf(service);
      const open = client[method] as unknown as (request?: Message) => Stream;
      return request ? open.call(clients.get(service), request) : open.call(clients.get(service));
    },
    [Symbol.dispose]: () => {
      for (const client of clients.values()) client.close();
    },
  };
}

/**
 * A call with one message each way, as bytes, for services that our .proto files don't describe.
 * `path`: `/service/Method`.
 */
export function rawCall(address: string, path: string, request: Buffer): Promise<Buffer> {
  const client = new Client(address, credentials.createInsecure());
  const bytes = (message: Buffer) => message;
  return new Promise<Buffer>((resolve, reject) => {
    client.makeUnaryRequest(path, bytes, bytes, request, (error, answer) =>
      error ? reject(error) : resolve(answer ?? Buffer.alloc(0)),
    );
  }).finally(() => client.close());
}

/** The first response of a stream of bytes. */
export function rawStream(address: string, path: string, request: Buffer): Promise<Buffer> {
  const client = new Client(address, credentials.createInsecure());
  const bytes = (message: Buffer) => message;
  return new Promise<Buffer>((resolve, reject) => {
    const stream = client.makeBidiStreamRequest(path, bytes, bytes);
    stream.on('error', reject);
    stream.once('data', resolve);
    stream.write(request);
    stream.end();
  }).finally(() => client.close());
}

/** The fields that the google.rpc.BadRequest in an error names, in its order. */
export function violatedFields(error: unknown): string[] {
  const details = (error as ServiceError).metadata?.get('grpc-status-details-bin')[0];
  if (!(details instanceof Buffer)) return [];
  return statusDetails(details).flatMap((value) => BadRequest.decode(value).fieldViolations.map(({ field }) => field));
}

/** The values of google.rpc.Status.details (field 3), each an Any whose value is field 2. */
function statusDetails(status: Buffer): Uint8Array[] {
  return lengthDelimited(status, 3).flatMap((any) => lengthDelimited(any, 2));
}

/** The length-delimited fields of this number in a protobuf message. */
function lengthDelimited(message: Uint8Array, wanted: number): Uint8Array[] {
  const reader = new BinaryReader(message);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted && type === WireType.LengthDelimited) found.push(reader.bytes());
    else reader.skip(type);
  }
  return found;
}
