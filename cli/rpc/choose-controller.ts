import { type Channel, ClientError, createClient, Status } from 'nice-grpc';
import { HealthDefinition } from 'nice-grpc-server-health';
import { EntryServiceDefinition } from '../../proto/gen/logfleet/v1/entry_service.ts';
import { isHostPort } from '../../runtime/host-port.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';
import { type ConnectionOptions, openChannel } from './channel.ts';
import { describeFailure, describeTimeout } from './connection-failure.ts';

/** How long to wait for one controller while there are others. */
const CHECK_TIMEOUT_MS = 3_000;
/** HealthCheckResponse.ServingStatus */
const SERVING = 1;

export interface Connection {
  address: string;
  channel: Channel;
}

/**
 * Opens a channel to the first controller that serves. A controller that can't be reached, or has
 * no etcd, is skipped while there is another one. The only controller is not checked: the first
 * call shows what is wrong. Rejects with CliError.
 */
export async function connectToOne(options: ConnectionOptions): Promise<Connection> {
  const addresses = parseAddresses(options.controller);
  const [only = '', ...others] = addresses;
  if (others.length === 0) return { address: only, channel: openChannel(only, options) };
  const timeoutMs = Math.min(CHECK_TIMEOUT_MS, options.timeoutMs / addresses.length);
  const failures: { field: string; description: string }[] = [];
  let notServing: Connection | undefined;
  for (const address of addresses) {
    const channel = openChannel(address, options);
    try {
      const isServing = await checkHealth(channel, timeoutMs);
      if (isServing) {
        notServing?.channel.close();
        return { address, channel };
      }
      notServing ??= { address, channel };
    } catch (error) {
      const description = await describe(error, address, { ...options, timeoutMs });
      failures.push({ field: address, description });
    }
    if (notServing?.channel !== channel) channel.close();
  }
  if (notServing) return notServing;
  throw new CliError(exitCodes.unreachable, 'none of the controllers can be reached', { violations: failures });
}

/** Reads `host:port,…`. Throws CliError. */
function parseAddresses(text: string): string[] {
  const addresses = [...new Set(text.split(',').map((address) => address.trim()))];
  const wrong = addresses.find((address) => !isHostPort(address));
  if (wrong === undefined) return addresses;
  const problem = `--controller: ${JSON.stringify(wrong)} is not an address: give HOST:PORT, or several with commas`;
  throw new CliError(exitCodes.usage, problem);
}

/** Whether the controller serves. Rejects when it can't be reached. */
async function checkHealth(channel: Channel, timeoutMs: number): Promise<boolean> {
  const health = createClient(HealthDefinition, channel);
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const { status } = await health.check({ service: EntryServiceDefinition.fullName }, { signal });
    return status === SERVING;
  } catch (error) {
    if (error instanceof ClientError && error.code !== Status.UNAVAILABLE) return false;
    throw error;
  }
}

async function describe(error: unknown, address: string, options: ConnectionOptions): Promise<string> {
  if (error instanceof ClientError) return await describeFailure(error.details, address, options);
  if ((error as Error).name === 'TimeoutError') return await describeTimeout(address, options.timeoutMs);
  throw error;
}
