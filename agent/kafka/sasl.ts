import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { Login } from '../../runtime/security.ts';
import { KafkaConnectionError, kafkaErrorName } from './kafka-error.ts';
import { apis } from './kafka-messages.ts';
import type { KafkaRequest } from './kafka-request.ts';
import type { WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

const pbkdf2Async = promisify(pbkdf2);

/** The part of a connection that a login uses. Responses arrive in the order of the requests. */
interface SaslChannel {
  /** Rejects with KafkaConnectionError. */
  request<T>(request: KafkaRequest<T>): Promise<T>;
}

/**
 * RFC 5802 requires 4096 at least. Without a bound, a hostile server could keep the agent busy.
 */
const ITERATIONS_MAX = 1_000_000;

/**
 * Logs in. Returns the lifetime of the session, ms; 0: unlimited (KIP-368). Rejects with
 * KafkaConnectionError.
 */
export async function logIn(connection: SaslChannel, login: Login): Promise<number> {
  const handshake = await connection.request(saslHandshake(login.mechanism));
  if (handshake.errorCode !== 0) {
    const offered = handshake.mechanisms.join(', ');
    throw refused(
      `${kafkaErrorName(handshake.errorCode)}: ${login.mechanism} is not enabled on the broker; use one of ${offered}`,
    );
  }
  const exchange = async (bytes: Buffer) => {
    const response = await connection.request(saslAuthenticate(bytes));
    if (response.errorCode !== 0) throw refused(response.errorMessage ?? kafkaErrorName(response.errorCode));
    return response;
  };
  if (login.mechanism !== 'PLAIN') return scram(login, exchange);
  // RFC 4616: authorization identity, NUL, user, NUL, password.
  return (await exchange(Buffer.from(`\0${login.username}\0${login.password}`))).sessionLifetimeMs;
}

interface SaslResponse {
  bytes: Buffer;
  sessionLifetimeMs: number;
}

/** SCRAM (RFC 5802, RFC 7677) without channel binding, as in Kafka (KIP-84). */
async function scram(
  { mechanism, username, password }: Login,
  exchange: (bytes: Buffer) => Promise<SaslResponse>,
): Promise<number> {
  const hash = mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512';
  const nonce = randomBytes(24).toString('base64url');
  const first = `n=${username.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}`;
  const challenge = (await exchange(Buffer.from(`n,,${first}`))).bytes.toString();
  const { r: serverNonce = '', s: salt = '', i: iterations = '' } = attributes(challenge);
  const rounds = Number(iterations);
  if (!serverNonce.startsWith(nonce) || !(rounds > 0 && rounds <= ITERATIONS_MAX))
    throw refused("the broker's challenge is malformed");
  const length = createHash(hash).digest().length;
  const salted = await pbkdf2Async(password.normalize('NFKC'), Buffer.from(salt, 'base64'), rounds, length, hash);
  const sign = (key: Buffer, text: string) => createHmac(hash, key).update(text).digest();
  const clientKey = sign(salted, 'Client Key');
  const final = `c=${Buffer.from('n,,').toString('base64')},r=${serverNonce}`;
  const authMessage = `${first},${challenge},${final}`;
  const signature = sign(createHash(hash).update(clientKey).digest(), authMessage);
  const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] as number)));
  const last = await exchange(Buffer.from(`${final},p=${proof.toString('base64')}`));
  const { v: verifier = '', e: error } = attributes(last.bytes.toString());
  if (error !== undefined) throw refused(error);
  const expected = sign(sign(salted, 'Server Key'), authMessage);
  const shown = Buffer.from(verifier, 'base64');
  if (shown.length !== expected.length || !timingSafeEqual(shown, expected)) {
    throw refused('the broker does not know the password: it may be an impostor');
  }
  return last.sessionLifetimeMs;
}

/** Parses `a=1,b=2`. Values may contain `=`. */
function attributes(text: string): Record<string, string> {
  return Object.fromEntries(text.split(',').map((pair) => [pair.slice(0, 1), pair.slice(2)]));
}

function refused(reason: string): KafkaConnectionError {
  return new KafkaConnectionError('AUTHENTICATION', `Kafka refused the login: ${reason}`);
}

/*
 * SaslHandshakeRequest v1 => mechanism:STRING
 * SaslHandshakeResponse v1 => error_code:INT16 [mechanism:STRING]
 */
function saslHandshake(mechanism: string): KafkaRequest<{ errorCode: number; mechanisms: (string | null)[] }> {
  const parse = (reader: WireReader) => ({
    errorCode: reader.int16(),
    mechanisms: reader.array(() => reader.string()),
  });
  return { api: apis.saslHandshake, isFlexible: false, body: [new WireWriter().string(mechanism).done()], parse };
}

/*
 * SaslAuthenticateRequest v2 => auth_bytes:COMPACT_BYTES TAGS
 * SaslAuthenticateResponse v2 => error_code:INT16 error_message:COMPACT_NULLABLE_STRING
 *                                auth_bytes:COMPACT_BYTES session_lifetime_ms:INT64 TAGS
 */
function saslAuthenticate(
  bytes: Buffer,
): KafkaRequest<SaslResponse & { errorCode: number; errorMessage: string | null }> {
  const parse = (reader: WireReader) => ({
    errorCode: reader.int16(),
    errorMessage: reader.compactString(),
    bytes: reader.compactBytes() ?? Buffer.alloc(0),
    sessionLifetimeMs: Number(reader.int64()),
  });
  return {
    api: apis.saslAuthenticate,
    isFlexible: true,
    body: [new WireWriter().compactBytes(bytes).noTags().done()],
    parse,
  };
}
