import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { errorText } from './errors.ts';
import { SecretFileError, type TlsMaterial } from './security.ts';

/** Only what stands on lines of its own is read by OpenSSL. */
const BLOCK =
  /^-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----\s*$[\s\S]*?^-----END (?:TRUSTED |X509 )?CERTIFICATE-----\s*$/gm;
const BEGINNING = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/**
 * Throws SecretFileError when new connections could not use the material: files that are written
 * only in part, a key of another certificate, a certificate that is not valid at `nowMs`.
 * `name` is the setting's. OpenSSL itself accepts a file of authorities that holds none.
 */
export function verifyTls({ ca, cert, key }: TlsMaterial, name: string, nowMs: number, caFile = 'ca_file'): void {
  if (ca !== undefined) {
    const authorities = certificatesOf(ca, `${name}.${caFile}`);
    // A bundle may hold old authorities beside the current ones.
    if (!authorities.some((authority) => isValid(authority, nowMs)))
      throw invalid(`${name}.${caFile}: ${validity(authorities[0] as X509Certificate)}`);
  }
  if (cert === undefined || key === undefined) return;
  const [own] = certificatesOf(cert, `${name}.cert_file`);
  if (!isValid(own as X509Certificate, nowMs)) throw invalid(`${name}.cert_file: ${validity(own as X509Certificate)}`);
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw invalid(`${name}: cert_file and key_file don't go together: ${errorText(error)}`);
  }
}

function certificatesOf(pem: Buffer, setting: string): X509Certificate[] {
  const text = pem.toString('latin1');
  const blocks = text.match(BLOCK) ?? [];
  if (blocks.length === 0) throw invalid(`${setting}: holds no certificate in PEM format`);
  if (blocks.length !== text.match(BEGINNING)?.length)
    throw invalid(`${setting}: holds a certificate that is not whole`);
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (error) {
    throw invalid(`${setting}: holds a certificate that can't be decoded: ${errorText(error)}`);
  }
}

function isValid(certificate: X509Certificate, nowMs: number): boolean {
  return nowMs >= certificate.validFromDate.getTime() && nowMs < certificate.validToDate.getTime();
}

function validity({ validFromDate, validToDate }: X509Certificate): string {
  return `the certificate is valid from ${validFromDate.toISOString()} to ${validToDate.toISOString()}`;
}

function invalid(text: string): SecretFileError {
  return new SecretFileError('INVALID', text);
}
