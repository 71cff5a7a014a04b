import type { Clock } from './clock.ts';
import { FileBackedValue, type FileReader } from './file-backed-value.ts';
import type { FileChanges } from './file-changes.ts';
import type { Logger } from './logger.ts';
import {
  type Login,
  loadSasl,
  loadServerTls,
  loadTls,
  readSecret,
  type SaslSettings,
  SecretFileError,
  type ServerTls,
  type ServerTlsSettings,
  type TlsMaterial,
  type TlsSettings,
  tlsFiles,
} from './security.ts';
import { verifyTls } from './verify-tls.ts';

/** A value that may change while the process runs: each new connection reads `current`. */
export interface Live<T> {
  readonly current: T;
  /** Calls `listener` after each change. */
  onChange(listener: () => void): void;
}

/**
 * Certificates, keys and passwords that follow their files. Each method reads the files once and
 * throws SecretFileError as loadTls does. Later changes are verified before they are used.
 */
export class LiveSecrets {
  readonly #changes: Pick<FileChanges, 'add'>;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(changes: Pick<FileChanges, 'add'>, tools: { clock: Clock; logger: Logger }) {
    this.#changes = changes;
    this.#clock = tools.clock;
    this.#logger = tools.logger;
  }

  /** `undefined` when TLS is off. */
  tls(settings: TlsSettings, setting: string): Live<TlsMaterial | undefined> {
    const load = (read: FileReader) => loadTls(settings, setting, read);
    const verify = (tls: TlsMaterial | undefined) => {
      if (tls) verifyTls(tls, setting, this.#clock.nowMs());
    };
    return this.#follow({ setting, files: tlsFiles(settings), load, verify });
  }

  /** `undefined` without a certificate. */
  serverTls(settings: ServerTlsSettings, setting: string): Live<ServerTls | undefined> {
    const { cert_file: cert, key_file: key, client_ca_file: clientCa } = settings;
    const files = [cert, key, clientCa].filter((file) => file !== undefined);
    const load = (read: FileReader) => loadServerTls(settings, setting, read);
    const verify = (tls: ServerTls | undefined) => {
      if (tls) verifyTls({ ...tls, ca: tls.clientCa }, setting, this.#clock.nowMs(), 'client_ca_file');
    };
    return this.#follow({ setting, files, load, verify });
  }

  /** `undefined` without a mechanism. */
  sasl(settings: SaslSettings, setting: string): Live<Login | undefined> {
    const files = settings.password_file === undefined ? [] : [settings.password_file];
    const load = (read: FileReader) => loadSasl(settings, setting, read);
    const verify = (login: Login | undefined) => verifyLine(login?.password, `${setting}.password_file`);
    return this.#follow({ setting, files, load, verify });
  }

  /** The first line of `file`, or `fallback` when there is no file. */
  line<T extends string | undefined>(file: string | undefined, setting: string, fallback: T): Live<string | T> {
    if (file === undefined) return { current: fallback, onChange: () => {} };
    const load = (read: FileReader) => firstLine(read(file, setting));
    return this.#follow({ setting, files: [file], load, verify: (line) => verifyLine(line, setting) });
  }

  #follow<T>(options: {
    setting: string;
    files: readonly string[];
    load(read: FileReader): T;
    verify(value: T): void;
  }): Live<T> {
    const value = new FileBackedValue({ ...options, initial: options.load(readSecret) }, this.#logger);
    this.#changes.add(value);
    return value;
  }
}

/** An empty file is one that is about to be written. */
function verifyLine(line: string | undefined, setting: string): void {
  if (line === '') throw new SecretFileError('INVALID', `${setting}: the first line is empty`);
}

function firstLine(content: Buffer): string {
  return content.toString().split('\n')[0] ?? '';
}
