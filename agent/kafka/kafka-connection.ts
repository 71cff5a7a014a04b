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
  /** What the broker must speak; an older one is refused with a clear error. */
  requiredApis: readonly KafkaApi[];
}

/** For the connection, TLS, the versions and the login, each. */
const CONNECT_TIMEOUT_MS = 5_000;
/** A broker that has said nothing for so long, with requests waiting for its answer, is given up. */
const ANSWER_TIMEOUT_MS = 30_000;
/** No answer that we ask for comes near it. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
const KEEPALIVE_MS = 30_000;
/** A session is left after this part of the lifetime that the broker gave it (KIP-368). */
const SESSION_SHARE = 0.8;

interface Waiting {
  correlation: number;
  take(reader: WireReader): void;
  fail(error: Error): void;
}

/**
 * One connection to one broker. Requests may be sent one after the other without waiting; a broker answers in their order. The first
 * trouble ends the connection and fails all that wait.
 */
export class KafkaConnection {
  readonly #socket: Socket;
  readonly #clientId: string;
  readonly #name: string;
  #waiting: Waiting[] = [];
  #correlation = 0;
  #received: Buffer = Buffer.alloc(0);
  #failure: Error | undefined;
  #sessionEndMs = Number.POSITIVE_INFINITY;
  #retired = false;
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

  /** Connects, makes sure of what the broker speaks, and logs in. Rejects with ConnectionError. */
  static async open({ host, port }: BrokerAddress, options: ConnectionOptions): Promise<KafkaConnection> {
    const { clientId, tls, login, requiredApis: needs } = options;
    const socket = tls
      ? connectTls({ host, port, ...(!isIP(host) && { servername: host }), ...tls })
      : connectTcp({ host, port });
    const connection = new KafkaConnection(socket, clientId, `Kafka at ${host}:${port}`);
    try {
      connection.#requireApis(await connection.request(apiVersions()), needs);
      const lifetimeMs = login ? await logIn(connection, login) : 0;
      if (lifetimeMs > 0) connection.#sessionEndMs = systemClock.monotonicMs() + lifetimeMs * SESSION_SHARE;
    } catch (error) {
      connection.close();
      throw error;
    }
    socket.setTimeout(ANSWER_TIMEOUT_MS);
    return connection;
  }

  /** Whether requests may be sent: false near the end of the session's lifetime, when another connection must take over. */
  get isUsable(): boolean {
    return !this.#failure && !this.#retired && systemClock.monotonicMs() < this.#sessionEndMs;
  }

  /** Takes no more requests, and closes when the last one has its answer. */
  retire(): void {
    this.#retired = true;
    if (this.#waiting.length === 0) this.close();
  }

  /** Calls `listener` when the connection has ended. */
  onClose(listener: () => void): void {
    this.#onClose = listener;
  }

  /** Sends a request and waits for its answer. Rejects with ConnectionError when there is none. */
  request<Answer>({ api, isFlexible: flexible, body, parse }: KafkaRequest<Answer>): Promise<Answer> {
    if (this.#failure) return Promise.reject(this.#failure);
    const correlation = this.#correlation++ & 0x7fffffff;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const take = (reader: WireReader) => {
      // ApiVersions is answered in the oldest form, so that any client can read it (KIP-511).
      if (flexible && api.key !== apis.apiVersions.key) reader.skipTags();
      resolve(parse(reader));
    };
    this.#waiting.push({ correlation, take, fail: reject });
    const header = new WireWriter().int32(
      8 + 2 + Buffer.byteLength(this.#clientId) + (flexible ? 1 : 0) + sizeOf(body),
    );
    header.int16(api.key).int16(api.version).int32(correlation).string(this.#clientId);
    if (flexible) header.noTags();
    this.#socket.cork();
    this.#socket.write(header.done());
    for (const piece of body) this.#socket.write(piece);
    this.#socket.uncork();
    return promise;
  }

  /** Ends the connection; what waits for an answer fails. */
  close(): void {
    this.#end(new KafkaConnectionError('NETWORK', `${this.#name}: closed by this agent`, { retryable: true }));
  }

  /*
   * Answer => size:INT32 correlation_id:INT32 [TAGS] body
   */
  #receive(data: Buffer): void {
    this.#received = this.#received.length === 0 ? data : Buffer.concat([this.#received, data]);
    while (this.#received.length >= 4 && !this.#failure) {
      const size = this.#received.readInt32BE(0);
      if (size < 4 || size > ANSWER_BYTES_MAX) this.#end(this.#notKafka());
      if (this.#received.length < 4 + size) return;
      const message = this.#received.subarray(4, 4 + size);
      this.#received = this.#received.subarray(4 + size);
      this.#take(new WireReader(message));
    }
  }

  #take(reader: WireReader): void {
    const next = this.#waiting.shift();
    try {
      if (!next || reader.int32() !== next.correlation) throw new RangeError('an answer to no request');
      next.take(reader);
    } catch (error) {
      const failure = new KafkaConnectionError('UNSUPPORTED', `${this.#name} sent an answer that makes no sense`, {
        cause: error,
      });
      next?.fail(failure);
      this.#end(failure);
    }
    if (this.#retired && this.#waiting.length === 0) this.close();
  }

  #requireApis(versions: ReadonlyMap<number, { min: number; max: number }>, needs: readonly KafkaApi[]): void {
    for (const { name, key, version, since } of needs) {
      const range = versions.get(key);
      if (range && range.min <= version && version <= range.max) continue;
      const text = `${this.#name} does not speak ${name} version ${version}: it must be Kafka ${since} or newer`;
      throw new KafkaConnectionError('UNSUPPORTED', text);
    }
  }

  #timeOut(): void {
    if (this.#waiting.length === 0 && !this.#socket.connecting) return;
    const text = this.#socket.connecting ? "can't be reached" : 'does not answer';
    this.#end(new KafkaConnectionError('NETWORK', `${this.#name} ${text}`, { retryable: true }));
  }

  #closedByPeer(): KafkaConnectionError {
    const hint = this.#correlation === 1 ? ' at once: does that port want TLS, or none?' : '';
    return new KafkaConnectionError('NETWORK', `${this.#name} closed the connection${hint}`, { retryable: true });
  }

  #notKafka(): KafkaConnectionError {
    return new KafkaConnectionError(
      'UNSUPPORTED',
      `what answers as ${this.#name} is not Kafka, or that port wants TLS`,
    );
  }

  #end(error: Error): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#socket.destroy();
    for (const { fail } of this.#waiting.splice(0)) fail(error);
    this.#onClose();
  }
}

function sizeOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}
