import { experimental, ServerCredentials } from '@grpc/grpc-js';
import type { Live } from '../../runtime/live-secrets.ts';
import type { ServerTls } from '../../runtime/security.ts';

type CertificateProvider = experimental.CertificateProvider;

/**
 * Credentials that follow the certificate, the key and the clients' authorities. A new connection
 * uses the current ones; existing connections continue. grpc-js has this as an experimental API
 * since 1.14 (https://github.com/grpc/grpc-node/issues/570). Its own provider of files is not used:
 * it takes a half-written pair, and then closes every new connection.
 */
export function serverCredentials(tls: Live<ServerTls | undefined>): ServerCredentials {
  if (!tls.current) return ServerCredentials.createInsecure();
  const provider = new LiveCertificates(tls);
  const isClientRequired = tls.current.clientCa !== undefined;
  // The declaration names the first two parameters the wrong way round: the server's own
  // certificate comes first.
  return experimental.createCertificateProviderServerCredentials(
    provider,
    isClientRequired ? provider : null,
    isClientRequired,
  );
}

class LiveCertificates implements CertificateProvider {
  readonly #tls: Live<ServerTls | undefined>;
  readonly #own = new Set<experimental.IdentityCertificateUpdateListener>();
  readonly #authorities = new Set<experimental.CaCertificateUpdateListener>();

  constructor(tls: Live<ServerTls | undefined>) {
    this.#tls = tls;
    tls.onChange(() => {
      for (const listener of this.#own) this.#sendOwn(listener);
      for (const listener of this.#authorities) this.#sendAuthorities(listener);
    });
  }

  addIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#own.add(listener);
    // Not at once: the server registers itself with the credentials only after this call.
    process.nextTick(() => this.#sendOwn(listener));
  }

  removeIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#own.delete(listener);
  }

  addCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.#authorities.add(listener);
    process.nextTick(() => this.#sendAuthorities(listener));
  }

  removeCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.#authorities.delete(listener);
  }

  #sendOwn(listener: experimental.IdentityCertificateUpdateListener): void {
    const { cert, key } = this.#tls.current ?? {};
    if (cert && key) listener({ certificate: cert, privateKey: key });
  }

  #sendAuthorities(listener: experimental.CaCertificateUpdateListener): void {
    const { clientCa } = this.#tls.current ?? {};
    if (clientCa) listener({ caCertificate: clientCa });
  }
}
