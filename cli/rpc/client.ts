import { readFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { ChannelCredentials, ClientError, createChannel, createClientFactory, Metadata, Status } from 'nice-grpc';
import { BadRequest, errorDetailsClientMiddleware, RichClientError } from 'nice-grpc-error-details';
import { type EntryServiceClient, EntryServiceDefinition } from '../../proto/gen/logfleet/v1/entry_service.ts';
import { type FleetServiceClient, FleetServiceDefinition } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import { type RolloutServiceClient, RolloutServiceDefinition } from '../../proto/gen/logfleet/v1/rollout_service.ts';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { errorText, grpcDetails } from '../../runtime/errors.ts';
import { isHostPort } from '../../runtime/host-port.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { firstAnswerWithin } from './first-answer.ts';

export interface ConnectionOptions {
  /** `host:port` */
  controller: string;
  timeoutMs: number;
  tls: boolean;
  caFile?: string;
  certFile?: string;
  keyFile?: string;
  /** Who is told to have made a change, where no certificate says it. */
  author?: string;
}

/** A controller's API as the commands use it. */
export interface ControllerApi extends Disposable {
  entries: EntryServiceClient;
  fleet: FleetServiceClient;
  rollouts: RolloutServiceClient;
  /** Makes one call within the time allowed; rejects with CliError. */
  call<T>(request: (options: { signal: AbortSignal }) => Promise<T>): Promise<T>;
  /** Follows a stream until it ends, for however long, once it has begun; rejects with CliError. */
  follow<T>(stream: AsyncIterable<T>): AsyncGenerator<T>;
}

const CHANNEL_OPTIONS = {
  'grpc.max_receive_message_length': -1,
  // A watch at a controller whose host has vanished ends within 15 s.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
};

/** Throws CliError for an address that is none, and for files that can't be read. */
export function connect(options: ConnectionOptions): ControllerApi {
  if (!isHostPort(options.controller)) {
    const text = `--controller: ${JSON.stringify(options.controller)} is no address: give HOST:PORT`;
    throw new CliError(exitCodes.usage, text);
  }
  const channel = createChannel(options.controller, credentials(options), CHANNEL_OPTIONS);
  const factory = createClientFactory().use(errorDetailsClientMiddleware).use(firstAnswerWithin(options.timeoutMs));
  const whoAsks = { '*': { metadata: saysWho(options.author) } };
  const fail = (error: unknown) => toCliError(error, options);
  return {
    entries: factory.create(EntryServiceDefinition, channel, whoAsks),
    fleet: factory.create(FleetServiceDefinition, channel, whoAsks),
    rollouts: factory.create(RolloutServiceDefinition, channel, whoAsks),
    call: async (request) => {
      try {
        return await request({ signal: AbortSignal.timeout(options.timeoutMs) });
      } catch (error) {
        throw fail(error);
      }
    },
    follow: async function* (stream) {
      try {
        yield* stream;
      } catch (error) {
        throw fail(error);
      }
    },
    [Symbol.dispose]: () => channel.close(),
  };
}

/** Metadata is ASCII (gRPC over HTTP2): what is not is written as in a URL, and read so. */
function saysWho(author = `${userName()}@${hostname()}`): Metadata {
  const text = author.replace(/[^\x20-\x7e]|%/gu, (character) => encodeURIComponent(character));
  return Metadata({ 'logfleet-author': text });
}

/** A user without an entry in the system's list has no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.() ?? 'unknown'}`;
  }
}

function credentials({ tls, caFile, certFile, keyFile }: ConnectionOptions): ChannelCredentials {
  const given = tls || [caFile, certFile, keyFile].some((file) => file !== undefined);
  if (!given) return ChannelCredentials.createInsecure();
  const read = (option: string, file: string | undefined) => (file === undefined ? null : readOption(option, file));
  return ChannelCredentials.createSsl(
    read('--ca-file', caFile),
    read('--key-file', keyFile),
    read('--cert-file', certFile),
  );
}

function readOption(option: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new CliError(exitCodes.usage, `${option}: can't read ${file}: ${errorText(error)}`, { cause: error });
  }
}

/** NOT_FOUND stays recognisable: `apply` asks what is there. */
export function isNotFound(error: unknown): boolean {
  return error instanceof CliError && error.cause instanceof ClientError && error.cause.code === Status.NOT_FOUND;
}

function toCliError(error: unknown, { controller, timeoutMs }: ConnectionOptions): unknown {
  if ((error as Error).name === 'TimeoutError') {
    const text = `no answer from the controller at ${controller} within ${timeoutMs / 1000} s`;
    return new CliError(exitCodes.unreachable, `${text}; see --timeout`, { cause: error });
  }
  if (!(error instanceof ClientError)) return error;
  if (error.code === Status.UNAVAILABLE) return unavailable(error, controller);
  // By https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md one that speaks no gRPC may seem to refuse.
  if (error.details.startsWith('Received HTTP status code'))
    return new CliError(exitCodes.unreachable, `no controller answers at ${controller}: ${error.details}`, {
      cause: error,
    });
  const violations = violationsOf(error);
  const text = violations.length > 0 ? 'the controller refuses:' : error.details || errorText(error);
  return new CliError(exitCodes.refused, text, { cause: error, violations });
}

/** Who was not reached is told by what grpc-js says of its connection; else the controller itself has answered. */
function unavailable(error: ClientError, controller: string): CliError {
  const details = grpcDetails(error.details).trim();
  const reached = !/^(No connection established|Connection dropped|Name resolution failed)/.test(details);
  const plain = /wrong version number|packet length too long/.test(details);
  const remedy = plain
    ? 'that port does not speak TLS'
    : 'is it running, and is --controller (or LOGFLEET_CONTROLLER) right?';
  const text = reached
    ? `the controller at ${controller} can't serve this now: ${details}`
    : `the controller at ${controller} can't be reached: ${details}; ${remedy}`;
  return new CliError(exitCodes.unreachable, text, { cause: error });
}

function violationsOf(error: ClientError): FieldViolation[] {
  if (!(error instanceof RichClientError)) return [];
  return error.extra.flatMap((detail) =>
    detail.$type === BadRequest.$type
      ? detail.fieldViolations.map(({ field, description }) => ({ field, description }))
      : [],
  );
}
