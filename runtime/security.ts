import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { flag } from './config-leaves.ts';
import { CodedError } from './errors.ts';

/** Settings of TLS towards a server. */
export const tlsSettings = z
  .strictObject({
    enabled: flag().default(false).describe('use TLS'),
    ca_file: z.string().optional().describe("PEM file of the authorities to trust, instead of the system's"),
    cert_file: z.string().optional().describe('PEM file of the certificate to show to the server'),
    key_file: z.string().optional().describe('PEM file of the key to cert_file'),
    server_name: z
      .string()
      .optional()
      .describe("the name to expect in the server's certificate, when it is not the address"),
    insecure_skip_verify: flag().default(false).describe('accept any server certificate; for trying out only'),
  })
  .refine((tls) => (tls.cert_file === undefined) === (tls.key_file === undefined), 'cert_file and key_file go together')
  .refine(
    ({ enabled, ...rest }) => enabled || Object.values(rest).every((value) => value === undefined || value === false),
    'the settings of TLS are of no effect without enabled: true',
  );

/** Settings of SASL towards Kafka. */
export const saslSettings = z
  .strictObject({
    mechanism: z
      .enum(['plain', 'scram-sha-256', 'scram-sha-512'])
      .optional()
      .describe('how to log in; nothing: no login'),
    username: z.string().optional().describe('who logs in'),
    password: z.string().optional().describe('the password; better give password_file'),
    password_file: z.string().optional().describe('file with the password on its first line'),
  })
  .refine(
    (sasl) => sasl.mechanism === undefined || sasl.username !== undefined,
    'username is required with a mechanism',
  )
  .refine(
    ({ mechanism, ...rest }) => mechanism !== undefined || Object.values(rest).every((value) => value === undefined),
    'the settings of a login are of no effect without a mechanism',
  )
  .refine(
    (sasl) => sasl.mechanism === undefined || (sasl.password === undefined) !== (sasl.password_file === undefined),
    'give either password or password_file with a mechanism',
  );

export type TlsSettings = z.output<typeof tlsSettings>;
export type SaslSettings = z.output<typeof saslSettings>;

/** What Node's TLS takes. */
export interface TlsMaterial {
  ca?: Buffer | undefined;
  cert?: Buffer;
  key?: Buffer;
  servername?: string;
  rejectUnauthorized?: boolean;
}

export class SecretFileError extends CodedError<'UNREADABLE' | 'INVALID'> {}

/**
 * Reads the files of `settings`; undefined when TLS is off. Throws SecretFileError. `name` is the
 * setting's, for the error.
 */
export function loadTls(settings: TlsSettings, name: string, read = readSecret): TlsMaterial | undefined {
  if (!settings.enabled) return undefined;
  const { ca_file: ca, cert_file: cert, key_file: key, server_name: servername } = settings;
  return {
    ...(ca !== undefined && { ca: read(ca, `${name}.ca_file`) }),
    ...(cert !== undefined && { cert: read(cert, `${name}.cert_file`) }),
    ...(key !== undefined && { key: read(key, `${name}.key_file`) }),
    ...(servername !== undefined && { servername }),
    ...(settings.insecure_skip_verify && { rejectUnauthorized: false }),
  };
}

/** The files that loadTls reads. */
export function tlsFiles({ enabled, ca_file: ca, cert_file: cert, key_file: key }: TlsSettings): string[] {
  return enabled ? [ca, cert, key].filter((file) => file !== undefined) : [];
}

/** What a server with TLS shows its clients, and the authorities that it trusts. */
export interface ServerTls {
  cert: Buffer;
  key: Buffer;
  /** Whose clients are let in; undefined lets all in. */
  clientCa: Buffer | undefined;
}

export interface ServerTlsSettings {
  cert_file?: string | undefined;
  key_file?: string | undefined;
  client_ca_file?: string | undefined;
}

/** Reads the files of a server; undefined without a certificate. Throws SecretFileError. */
export function loadServerTls(settings: ServerTlsSettings, name: string, read = readSecret): ServerTls | undefined {
  const { cert_file: cert, key_file: key, client_ca_file: clientCa } = settings;
  if (cert === undefined || key === undefined) return undefined;
  return {
    cert: read(cert, `${name}.cert_file`),
    key: read(key, `${name}.key_file`),
    clientCa: clientCa === undefined ? undefined : read(clientCa, `${name}.client_ca_file`),
  };
}

/**
 * The same for grpc-js: the arguments of its `createSsl`, and the channel options that go with
 * them.
 */
export function grpcTls({ ca, key, cert, servername, rejectUnauthorized }: TlsMaterial) {
  const verify = rejectUnauthorized === false ? { rejectUnauthorized } : {};
  return {
    credentials: [ca ?? null, key ?? null, cert ?? null, verify] as const,
    channel: servername === undefined ? {} : { 'grpc.ssl_target_name_override': servername },
  };
}

export interface Login {
  mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
  username: string;
  password: string;
}

/** The login of `settings`; undefined without a mechanism. Throws SecretFileError. */
export function loadSasl(settings: SaslSettings, name: string, read = readSecret): Login | undefined {
  if (settings.mechanism === undefined) return undefined;
  const file = settings.password_file;
  const password =
    file === undefined ? settings.password : read(file, `${name}.password_file`).toString().split('\n')[0];
  const mechanism = settings.mechanism.toUpperCase() as Login['mechanism'];
  return { mechanism, username: settings.username ?? '', password: password ?? '' };
}

export function readSecret(file: string, setting: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new SecretFileError('UNREADABLE', `${setting}: can't read ${file}`, { cause: error });
  }
}
