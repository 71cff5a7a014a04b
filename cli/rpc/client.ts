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
import { CliError, exitCodes } from '../output/cli-error.ts';
import { firstResponseWithin } from './first-response.ts';

export interface ConnectionOptions {
  /** `host:port` */
  controller: string;
  timeoutMs: number;
  tls: boolean;
  caFile?: string;
  certFile?: string;
  keyFile?: string;
  /**
   * Recorded as the author of changes unless a client certificate names one; default: user@host.
   */
  author?: string;
}

/** The controller's API as the commands use it. Dispose closes the connection. */
export interface ControllerApi extends Disposable {
  entries: EntryServiceClient;
  fleet: FleetServiceClient;
  rollouts: RolloutServiceClient;
  /** Makes one call within the timeout. Rejects with CliError. */
  call<T>(request: (options: { signal: AbortSignal }) => Promise<T>): Promise<T>;
  /**
   * Follows a stream until it ends. Only its first message is limited by the timeout. Rejects with
   * CliError.
   */
  follow<T>(stream: AsyncIterable<T>): AsyncGenerator<T>;
}

const CHANNEL_OPTIONS = {
  'grpc.max_receive_message_length': -1,
  // Detects within 15 s that the controller's host has vanished.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
};

/**
 * Throws CliError for a malformed address and for unreadable files. Connects with the first call.
 */
export function connect(options: ConnectionOptions): ControllerApi {
  if (!isHostPort(options.controller)) {
    const text = `--controller: ${JSON.stringify(options.controller)} is not an address: give HOST:PORT`;
    throw new CliError(exitCodes.usage, text);
  }
  const channel = createChannel(options.controller, credentials(options), CHANNEL_OPTIONS);
  const factory = createClientFactory().use(errorDetailsClientMiddleware).use(firstResponseWithin(options.timeoutMs));
  const defaults = { '*': { metadata: authorMetadata(options.author) } };
  const fail = (error: unknown) => toCliError(error, options);
  return {
    entries: factory.create(EntryServiceDefinition, channel, defaults),
    fleet: factory.create(FleetServiceDefinition, channel, defaults),
    rollouts: factory.create(RolloutServiceDefinition, channel, defaults),
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

/**
 * gRPC metadata is ASCII: other characters are percent-encoded, and the controller decodes them.
 */
function authorMetadata(author = `${userName()}@${hostname()}`): Metadata {
  const text = author.replace(/[^\x20-\x7e]|%/gu, (character) => encodeURIComponent(character));
  return Metadata({ 'logfleet-author': text });
}

/** In a container the user may have no entry in /etc/passwd. */
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

/** Whether the controller has reported that a resource does not exist. */
export function isNotFound(error: unknown): boolean {
  return error instanceof CliError && error.cause instanceof ClientError && error.cause.code === Status.NOT_FOUND;
}

function toCliError(error: unknown, { controller, timeoutMs }: ConnectionOptions): unknown {
  if ((error as Error).name === 'TimeoutError') {
    const text = `the controller at ${controller} did not respond within ${timeoutMs / 1000} s; see --timeout`;
    return new CliError(exitCodes.unreachable, text, { cause: error });
  }
  if (!(error instanceof ClientError)) return error;
  if (error.code === Status.UNAVAILABLE) return unavailable(error, controller);
  // An HTTP error of a server that is not gRPC is mapped to a gRPC status, which may look like a
  // refusal: https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
  if (error.details.startsWith('Received HTTP status code')) {
    const text = `${controller} is not a controller: ${error.details}`;
    return new CliError(exitCodes.unreachable, text, { cause: error });
  }
  const violations = violationsOf(error);
  const text = violations.length > 0 ? 'the controller refused the request' : error.details || errorText(error);
  return new CliError(exitCodes.refused, text, { cause: error, violations });
}

/**
 * UNAVAILABLE comes from grpc-js when the connection fails, and else from the controller itself.
 */
function unavailable(error: ClientError, controller: string): CliError {
  const details = grpcDetails(error.details).trim();
  const isReached = !/^(No connection established|Connection dropped|Name resolution failed)/.test(details);
  const isPlaintext = /wrong version number|packet length too long/.test(details);
  const remedy = isPlaintext
    ? 'the port does not use TLS'
    : 'is it running, and is --controller (or LOGFLEET_CONTROLLER) right?';
  const text = isReached
    ? `the controller at ${controller} is not ready: ${details}`
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
