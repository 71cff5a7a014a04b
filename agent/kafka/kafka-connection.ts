import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { systemClock } from '../../runtime/clock.ts';
import type { Login, TlsMaterial } from '../../runtime/security.ts';
import { KafkaConnectionError } from './kafka-error.ts';
import { apis, apiVersions } from './kafka-messages.ts';
import type { KafkaApi, KafkaRequest } from './kafka-request.ts';
import { logIn } from './sasl.ts';
import { WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

export interface BrokerAddress {
  host: string;
  port: number;
}

export interface ConnectionOptions {
  clientId: string;
  tls?: TlsMaterial | undefined;
  login?: Login | undefined;
  /** The APIs that the broker must have. An older broker is refused. */
  requiredApis: readonly KafkaApi[];
}

/** The timeout of each step: TCP and TLS, versions, login. */
const CONNECT_TIMEOUT_MS = 5_000;
/** A broker that sends nothing for this long while requests wait is given up. */
const RESPONSE_TIMEOUT_MS = 30_000;
/** Far more than any response to our requests. */
const RESPONSE_BYTES_MAX = 64 * 1024 * 1024;
const KEEPALIVE_MS = 30_000;
/** A connection is replaced after this share of its session's lifetime (KIP-368). */
const SESSION_SHARE = 0.8;

interface PendingRequest {
  correlationId: number;
  complete(reader: WireReader): void;
  fail(error: Error): void;
}

/**
 * One connection to one broker. Requests may be pipelined: a broker responds in their order. The
 * first failure ends the connection and rejects all pending requests.
 */
export class KafkaConnection {
  readonly #socket: Socket;
  readonly #clientId: string;
  readonly #name: string;
  #pending: PendingRequest[] = [];
  #correlationId = 0;
  #received: Buffer = Buffer.alloc(0);
  #failure: Error | undefined;
  #sessionEndMs = Number.POSITIVE_INFINITY;
  #isRetired = false;
  #onClose: () => void = () => {};

  private constructor(socket: Socket, clientId: string, name: string) {
    this.#socket = socket;
    this.#clientId = clientId;
    this.#name = name;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE_MS);
    socket.setTimeout(CONNECT_TIMEOUT_MS);
    socket.on('data', (data: Buffer) => this.#receive(data));
    socket.on('timeout', () => this.#timeOut());
    socket.on('error', (error) =>
      this.#end(new KafkaConnectionError('NETWORK', this.#name, { retryable: true, cause: error })),
    );
    socket.on('close', () => this.#end(this.#closedByPeer()));
  }

  /** Connects, checks the broker's versions, and logs in. Rejects with KafkaConnectionError. */
  static async open({ host, port }: BrokerAddress, options: ConnectionOptions): Promise<KafkaConnection> {
    const { clientId, tls, login, requiredApis } = options;
    const socket = tls
      ? connectTls({ host, port, ...(!isIP(host) && { servername: host }), ...tls })
      : connectTcp({ host, port });
    const connection = new KafkaConnection(socket, clientId, `Kafka at ${host}:${port}`);
    try {
      connection.#requireApis(await connection.request(apiVersions()), requiredApis);
      const lifetimeMs = login ? await logIn(connection, login) : 0;
      if (lifetimeMs > 0) connection.#sessionEndMs = systemClock.monotonicMs() + lifetimeMs * SESSION_SHARE;
    } catch (error) {
      connection.close();
      throw error;
    }
    socket.setTimeout(RESPONSE_TIMEOUT_MS);
    return connection;
  }

  /** Whether requests may be sent. False near the end of the session: open another connection. */
  get isUsable(): boolean {
    return !this.#failure && !this.#isRetired && systemClock.monotonicMs() < this.#sessionEndMs;
  }

  /** Sends no more requests, and closes after the last response. */
  retire(): void {
    this.#isRetired = true;
    if (this.#pending.length === 0) this.close();
  }

  /** Calls `listener` when the connection ends. */
  onClose(listener: () => void): void {
    this.#onClose = listener;
  }

  /** Sends a request and waits for its response. Rejects with KafkaConnectionError. */
  request<Response>({ api, isFlexible, body, parse }: KafkaRequest<Response>): Promise<Response> {
    if (this.#failure) return Promise.reject(this.#failure);
    const correlationId = this.#correlationId++ & 0x7fffffff;
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const complete = (reader: WireReader) => {
      // The response to ApiVersions has the oldest header, so any client can read it (KIP-511).
      if (isFlexible && api.key !== apis.apiVersions.key) reader.skipTags();
      resolve(parse(reader));
    };
    this.#pending.push({ correlationId, complete, fail: reject });
    const header = new WireWriter().int32(
      8 + 2 + Buffer.byteLength(this.#clientId) + (isFlexible ? 1 : 0) + sizeOf(body),
    );
    header.int16(api.key).int16(api.version).int32(correlationId).string(this.#clientId);
    if (isFlexible) header.noTags();
    this.#socket.cork();
    this.#socket.write(header.done());
    for (const piece of body) this.#socket.write(piece);
    this.#socket.uncork();
    return promise;
  }

  /** Ends the connection and rejects all pending requests. */
  close(): void {
    this.#end(
      new KafkaConnectionError('NETWORK', `${this.#name}: the agent closed the connection`, { retryable: true }),
    );
  }

  /*
   * Response => size:INT32 correlation_id:INT32 [TAGS] body
   */
  #receive(data: Buffer): void {
    this.#received = this.#received.length === 0 ? data : Buffer.concat([this.#received, data]);
    while (this.#received.length >= 4 && !this.#failure) {
      const size = this.#received.readInt32BE(0);
      if (size < 4 || size > RESPONSE_BYTES_MAX) this.#end(this.#notKafka());
      if (this.#received.length < 4 + size) return;
      const message = this.#received.subarray(4, 4 + size);
      this.#received = this.#received.subarray(4 + size);
      this.#completeNext(new WireReader(message));
    }
  }

  #completeNext(reader: WireReader): void {
    const next = this.#pending.shift();
    try {
      if (!next || reader.int32() !== next.correlationId) throw new RangeError('a response to no request');
      next.complete(reader);
    } catch (error) {
      const failure = new KafkaConnectionError('UNSUPPORTED', `${this.#name} sent a malformed response`, {
        cause: error,
      });
      next?.fail(failure);
      this.#end(failure);
    }
    if (this.#isRetired && this.#pending.length === 0) this.close();
  }

  #requireApis(versions: ReadonlyMap<number, { min: number; max: number }>, required: readonly KafkaApi[]): void {
    for (const { name, key, version, since } of required) {
      const range = versions.get(key);
      if (range && range.min <= version && version <= range.max) continue;
      const text = `${this.#name} has no ${name} version ${version}: upgrade it to Kafka ${since} or newer`;
      throw new KafkaConnectionError('UNSUPPORTED', text);
    }
  }

  #timeOut(): void {
    if (this.#pending.length === 0 && !this.#socket.connecting) return;
    const text = this.#socket.connecting ? "can't be reached" : 'does not respond';
    this.#end(new KafkaConnectionError('NETWORK', `${this.#name} ${text}`, { retryable: true }));
  }

  #closedByPeer(): KafkaConnectionError {
    const remedy = this.#correlationId === 1 ? ' at once: check whether its port expects TLS, and kafka.tls' : '';
    return new KafkaConnectionError('NETWORK', `${this.#name} closed the connection${remedy}`, { retryable: true });
  }

  #notKafka(): KafkaConnectionError {
    return new KafkaConnectionError('UNSUPPORTED', `${this.#name} is not Kafka, or its port expects TLS`);
  }

  #end(error: Error): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#socket.destroy();
    for (const { fail } of this.#pending.splice(0)) fail(error);
    this.#onClose();
  }
}

function sizeOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}
