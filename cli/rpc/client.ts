import { hostname, userInfo } from 'node:os';
import { ClientError, createClientFactory, Metadata, Status } from 'nice-grpc';
import { BadRequest, errorDetailsClientMiddleware, RichClientError } from 'nice-grpc-error-details';
import { type EntryServiceClient, EntryServiceDefinition } from '../../proto/gen/logfleet/v1/entry_service.ts';
import { type FleetServiceClient, FleetServiceDefinition } from '../../proto/gen/logfleet/v1/fleet_service.ts';
import { type RolloutServiceClient, RolloutServiceDefinition } from '../../proto/gen/logfleet/v1/rollout_service.ts';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { errorText, grpcDetails } from '../../runtime/errors.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import type { ConnectionOptions } from './channel.ts';
import { connectToOne } from './choose-controller.ts';
import { describeFailure, describeTimeout } from './connection-failure.ts';
import { firstResponseWithin } from './first-response.ts';

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

/**
 * Connects to the controller, or to the first of several that serves. Rejects with CliError for a
 * malformed address, for unreadable files, and when none of several controllers can be reached.
 */
export async function connect(options: ConnectionOptions): Promise<ControllerApi> {
  const { address, channel } = await connectToOne(options);
  const factory = createClientFactory().use(errorDetailsClientMiddleware).use(firstResponseWithin(options.timeoutMs));
  const defaults = { '*': { metadata: authorMetadata(options.author) } };
  const fail = (error: unknown) => toCliError(error, address, options);
  return {
    entries: factory.create(EntryServiceDefinition, channel, defaults),
    fleet: factory.create(FleetServiceDefinition, channel, defaults),
    rollouts: factory.create(RolloutServiceDefinition, channel, defaults),
    call: async (request) => {
      try {
        return await request({ signal: AbortSignal.timeout(options.timeoutMs) });
      } catch (error) {
        throw await fail(error);
      }
    },
    follow: async function* (stream) {
      try {
        yield* stream;
      } catch (error) {
        throw await fail(error);
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

/** Whether the controller has reported that a resource does not exist. */
export function isNotFound(error: unknown): boolean {
  return error instanceof CliError && error.cause instanceof ClientError && error.cause.code === Status.NOT_FOUND;
}

async function toCliError(error: unknown, address: string, options: ConnectionOptions): Promise<unknown> {
  const unreachable = (text: string) =>
    new CliError(exitCodes.unreachable, `the controller at ${address} ${text}`, { cause: error });
  if ((error as Error).name === 'TimeoutError') return unreachable(await describeTimeout(address, options.timeoutMs));
  if (!(error instanceof ClientError)) return error;
  if (error.code === Status.UNAVAILABLE) {
    // It comes from grpc-js when the connection fails, and else from the controller itself.
    const isReached = !/^(No connection established|Connection dropped|Name resolution failed)/.test(error.details);
    if (isReached) return unreachable(`is not ready: ${grpcDetails(error.details).trim()}`);
    return unreachable(`can't be reached: ${await describeFailure(error.details, address, options)}`);
  }
  // An HTTP error of a server that is not gRPC is mapped to a gRPC status, which may look like a
  // refusal: https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
  if (error.details.startsWith('Received HTTP status code')) {
    const text = `${address} is not a controller: ${error.details}`;
    return new CliError(exitCodes.unreachable, text, { cause: error });
  }
  const violations = violationsOf(error);
  const text = violations.length > 0 ? 'the controller refused the request' : error.details || errorText(error);
  return new CliError(exitCodes.refused, text, { cause: error, violations });
}

function violationsOf(error: ClientError): FieldViolation[] {
  if (!(error instanceof RichClientError)) return [];
  return error.extra.flatMap((detail) =>
    detail.$type === BadRequest.$type
      ? detail.fieldViolations.map(({ field, description }) => ({ field, description }))
      : [],
  );
}
