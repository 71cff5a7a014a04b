import { readFileSync } from 'node:fs';
import { type Channel, ChannelCredentials, createChannel } from 'nice-grpc';
import { errorText } from '../../runtime/errors.ts';
import { verifyTls } from '../../runtime/verify-tls.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';

export interface ConnectionOptions {
  /** `host:port,…`: the first one that serves is used. */
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

const CHANNEL_OPTIONS = {
  'grpc.max_receive_message_length': -1,
  // Detects within 15 s that the controller's host has vanished.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
};

/** A channel to `address`. It connects with the first call. Throws CliError for unusable files. */
export function openChannel(address: string, options: ConnectionOptions): Channel {
  return createChannel(address, credentials(options), CHANNEL_OPTIONS);
}

export function isEncrypted({ tls, caFile, certFile, keyFile }: ConnectionOptions): boolean {
  return tls || [caFile, certFile, keyFile].some((file) => file !== undefined);
}

function credentials(options: ConnectionOptions): ChannelCredentials {
  if (!isEncrypted(options)) return ChannelCredentials.createInsecure();
  const { caFile, certFile, keyFile } = options;
  if ((certFile === undefined) !== (keyFile === undefined))
    throw new CliError(exitCodes.usage, '--cert-file and --key-file go together: give both, or neither');
  const [ca, cert, key] = [
    readOption('--ca-file', caFile),
    readOption('--cert-file', certFile),
    readOption('--key-file', keyFile),
  ];
  try {
    verifyTls({ ca, ...(cert && key && { cert, key }) }, 'tls', Date.now());
  } catch (error) {
    const text = errorText(error).replace(/^tls: /, '');
    const named = text.replaceAll(/(?:tls\.)?(ca|cert|key)_file/g, '--$1-file');
    throw new CliError(exitCodes.usage, named, { cause: error });
  }
  return ChannelCredentials.createSsl(ca ?? null, key ?? null, cert ?? null);
}

function readOption(option: string, file: string | undefined): Buffer | undefined {
  try {
    return file === undefined ? undefined : readFileSync(file);
  } catch (error) {
    throw new CliError(exitCodes.usage, `${option}: can't read ${file}: ${errorText(error)}`, { cause: error });
  }
}
