import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { grpcDetails } from '../../runtime/errors.ts';
import { type ConnectionOptions, isEncrypted } from './channel.ts';

const PROBE_TIMEOUT_MS = 1_000;
const IS_RUNNING = 'is it running, and is --controller (or LOGFLEET_CONTROLLER) right?';
const IS_RIGHT = 'is --controller (or LOGFLEET_CONTROLLER) right?';

/** What grpc-js says of a failed connection, and what it means. */
type Failure = readonly [pattern: RegExp, text: (match: RegExpExecArray, options: ConnectionOptions) => string];

const tlsFailures: readonly Failure[] = [
  [
    /wrong version number|packet length too long/,
    () =>
      'the port does not use TLS; leave out --tls and the files (also LOGFLEET_TLS, LOGFLEET_CA_FILE and LOGFLEET_CERT_FILE)',
  ],
  [
    /altnames: (.*)/,
    ([, reason]) => `its certificate is for other names (${reason}); use one of these in --controller`,
  ],
  [
    /certificate (has expired|is not yet valid)/,
    ([reason]) => `its ${reason}; renew tls.cert_file of the controller, or set the clock of this host`,
  ],
  [
    /unable to (verify|get)|self[- ]signed/,
    (_, { caFile }) =>
      caFile === undefined
        ? 'its certificate is from an unknown authority; give the certificate of that authority with --ca-file'
        : `its certificate is not from an authority in ${caFile}; give another --ca-file`,
  ],
  [/alert certificate required/, () => 'it requires a client certificate; give --cert-file and --key-file'],
  [
    // A controller closes the connection after the handshake if it does not accept the certificate.
    /alert (unknown ca|bad certificate|unsupported certificate|certificate)|^Failed to connect|ECONNRESET/,
    (_, { certFile }) =>
      certFile === undefined
        ? 'it closes the connection; does it require a client certificate (--cert-file and --key-file)?'
        : `it does not accept the certificate in ${certFile}; give one from an authority in its tls.client_ca_file`,
  ],
  [/disconnected before secure TLS/, () => `it closes the connection during the TLS handshake; ${IS_RIGHT}`],
];

const commonFailures: readonly Failure[] = [
  [/^Name resolution failed|ENOTFOUND|EAI_AGAIN/, () => `the host name can't be resolved; ${IS_RIGHT}`],
  [/ECONNREFUSED/, () => `connection refused; ${IS_RUNNING}`],
];

/** Why a connection to `address` could not be made, and the remedy. */
export async function describeFailure(status: string, address: string, options: ConnectionOptions): Promise<string> {
  const details = grpcDetails(status)
    .replace(/^No connection established\.( Last error: )?/, '')
    .replace(/^Error: /, '')
    .replace(/\s*\(\d{4}-[^)]*Z\)$/, '')
    .trim();
  const isTls = isEncrypted(options);
  const failures = isTls ? [...commonFailures, ...tlsFailures] : commonFailures;
  for (const [pattern, text] of failures) {
    const match = pattern.exec(details);
    if (match) return text(match, options);
  }
  if (!isTls && (await speaksTls(address)))
    return 'the port uses TLS; give --ca-file, or --tls if the system trusts its authority';
  if (/^(Failed to connect|Protocol error)/.test(details)) return `the server there is not a controller; ${IS_RIGHT}`;
  return `${details || 'no connection'}; ${IS_RUNNING}`;
}

/** What follows `the controller at ADDRESS` when it sent nothing within the timeout. */
export async function describeTimeout(address: string, timeoutMs: number): Promise<string> {
  const isAccepted = await connects(() => connectTcp(target(address)), 'connect');
  const problem = `did not respond within ${timeoutMs / 1000} s`;
  if (isAccepted) return `${problem}; see --timeout`;
  return `${problem}: no connection; ${IS_RIGHT.slice(0, -1)}, and does a firewall let it through?`;
}

/** Whether a TLS server listens there, whatever certificate it demands. */
function speaksTls(address: string): Promise<boolean> {
  return connects(
    () => connectTls({ ...target(address), rejectUnauthorized: false, ALPNProtocols: ['h2'] }),
    'secureConnect',
  );
}

async function connects(open: () => ReturnType<typeof connectTcp>, event: string): Promise<boolean> {
  const socket = open();
  try {
    return await new Promise((resolve) => {
      socket.once(event, () => resolve(true)).once('error', () => resolve(false));
      socket.setTimeout(PROBE_TIMEOUT_MS, () => resolve(false));
    });
  } finally {
    socket.destroy();
  }
}

function target(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}
