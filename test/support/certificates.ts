import { writeFile } from 'node:fs/promises';
import { generate } from 'selfsigned';
import type { TempDir } from './temp-dir.ts';

/** PEM files. */
export interface TestCertificates {
  ca: string;
  /** For 127.0.0.1 and localhost. */
  server: { key: string; cert: string; keyAndCert: string };
  client: { key: string; cert: string };
}

/** A certificate authority for one test, in PEM. */
export interface TestAuthority {
  cert: string;
  /**
   * A certificate for servers on loopback and for clients. A date in the past makes an expired one.
   */
  issue(name: string, expires?: Date): Promise<{ key: string; cert: string }>;
}

const OPTIONS = { keySize: 2048, algorithm: 'sha256' } as const;
const DAY_MS = 86_400_000;

export async function createAuthority(name = 'test authority'): Promise<TestAuthority> {
  const authority = await generate([{ name: 'commonName', value: name }], {
    ...OPTIONS,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, digitalSignature: true, critical: true },
    ],
  });
  const issue = async (commonName: string, expires?: Date) => {
    const { private: key, cert } = await generate([{ name: 'commonName', value: commonName }], {
      ...OPTIONS,
      ...(expires && { notBeforeDate: new Date(expires.getTime() - DAY_MS), notAfterDate: expires }),
      ca: { key: authority.private, cert: authority.cert },
      extensions: [
        { name: 'basicConstraints', cA: false },
        { name: 'keyUsage', digitalSignature: true, keyEncipherment: true },
        { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
        {
          name: 'subjectAltName',
          altNames: [
            { type: 2, value: 'localhost' },
            { type: 7, ip: '127.0.0.1' },
          ],
        },
      ],
    });
    return { key, cert };
  };
  return { cert: authority.cert, issue };
}

/** The files of a new authority, with a server's certificate for loopback and a client's. */
export async function testCertificates(dir: TempDir): Promise<TestCertificates> {
  const authority = await createAuthority();
  const write = async (name: string, text: string) => {
    await writeFile(dir.at(name), text, { mode: 0o600 });
    return dir.at(name);
  };
  const [server, client] = [await authority.issue('server'), await authority.issue('client')];
  return {
    ca: await write('ca.pem', authority.cert),
    server: {
      key: await write('server-key.pem', server.key),
      cert: await write('server-cert.pem', server.cert),
      keyAndCert: await write('server.pem', `${server.key}\n${server.cert}`),
    },
    client: { key: await write('client-key.pem', client.key), cert: await write('client-cert.pem', client.cert) },
  };
}
