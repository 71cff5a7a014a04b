import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { createAuthority } from '../../support/certificates.ts';
import { newPrefix } from '../../support/controllers.ts';
import { startProcess } from '../../support/process.ts';
import { runCommand } from '../../support/run-command.ts';
import { sharedEtcd } from '../../support/servers.ts';
import { tempDir } from '../../support/temp-dir.ts';

type Case = [what: string, address: string, args: string[], expected: RegExp];

/** Two authorities and, of each, the files of a client; a server's files of the first. */
async function certificateFiles(dir: Awaited<ReturnType<typeof tempDir>>) {
  const write = async (name: string, text: string) => {
    await writeFile(dir.at(name), text, { mode: 0o600 });
    return dir.at(name);
  };
  const [own, foreign] = [await createAuthority(), await createAuthority('another authority')];
  const pair = async (name: string, { key, cert }: { key: string; cert: string }) => ({
    ...{ key: await write(`${name}-key.pem`, key), cert: await write(`${name}.pem`, cert) },
  });
  return {
    ca: await write('ca.pem', own.cert),
    foreignCa: await write('foreign-ca.pem', foreign.cert),
    empty: await write('empty.pem', 'no certificate\n'),
    server: await pair('server', await own.issue('server')),
    client: await pair('client', await own.issue('client')),
    expired: await pair('expired', await own.issue('client', new Date(Date.now() - 86_400_000))),
    foreign: await pair('foreign', await foreign.issue('client')),
  };
}

async function startController(...args: string[]) {
  const common = ['--etcd', await sharedEtcd(), '--etcd.prefix', newPrefix()];
  const process = startProcess('controller/main.ts', ['--listen', '0.0.0.0:0', ...common, ...args]);
  const { address } = (await process.logged('listening', { timeoutMs: 30_000 })) as { address: string };
  return { address, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() };
}

async function check(cases: readonly Case[], code: number) {
  for (const [what, address, args, expected] of cases) {
    const env = { NODE_OPTIONS: '--disable-warning=DEP0123' };
    const outcome = await runCommand(address, ['--timeout', '5s', ...args, 'get', 'entries'], { env });
    assert.equal(outcome.code, code, `${what}: ${outcome.stderr}`);
    assert.match(outcome.stderr, expected, what);
    assert.equal(outcome.stderr.split('\n').length, 2, `one line: ${outcome.stderr}`);
  }
}

test('a failed connection is reported with its cause and the remedy: TLS, certificates, names and ports', async () => {
  await using dir = await tempDir('failures');
  const files = await certificateFiles(dir);
  const { ca, client, foreign, server } = files;
  const certificate = ['--tls.cert_file', server.cert, '--tls.key_file', server.key];
  await using plain = await startController();
  await using tls = await startController(...certificate);
  await using mutual = await startController(...certificate, '--tls.client_ca_file', ca);
  await using web = createServer((socket) => socket.resume().end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await once(web.listen(0, '127.0.0.1'), 'listening');
  const webAddress = `127.0.0.1:${(web.address() as AddressInfo).port}`;
  const port = (address: string) => address.slice(address.lastIndexOf(':') + 1);
  const localhost = (address: string) => `localhost:${port(address)}`;
  const show = ({ cert, key }: { cert: string; key: string }) => ['--cert-file', cert, '--key-file', key];
  const wrongKey = ['--cert-file', client.cert, '--key-file', foreign.key];
  await check(
    [
      ['plain, to TLS', localhost(tls.address), [], /the port uses TLS; give --ca-file, or --tls/],
      ['plain, to mutual TLS', localhost(mutual.address), [], /the port uses TLS; give --ca-file, or --tls/],
      ['TLS, to a plain port', localhost(plain.address), ['--ca-file', ca], /does not use TLS; leave out --tls/],
      ['an unknown authority', localhost(tls.address), ['--tls'], /from an unknown authority; give .* --ca-file/],
      [
        'another authority',
        localhost(tls.address),
        ['--ca-file', files.foreignCa],
        /not from an authority in \S+\/for/,
      ],
      ['no certificate', localhost(mutual.address), ['--ca-file', ca], /requires a client certificate; give --cert-f/],
      [
        'a certificate of another authority',
        localhost(mutual.address),
        ['--ca-file', ca, ...show(foreign)],
        /does not accept the certificate in \S+foreign\.pem; give one .*client_ca_file/,
      ],
      ['refused', '127.0.0.1:1', [], /connection refused; is it running, and is --controller .* right\?/],
      ['an unknown host', 'no-such-host.invalid:7070', [], /the host name can't be resolved; is --controller/],
      ['another server', webAddress, [], /the server there is not a controller; is --controller/],
    ],
    3,
  );
  await check(
    [
      ['no PEM', localhost(tls.address), ['--ca-file', files.empty], /--ca-file: holds no certificate in PEM format/],
      [
        'an expired certificate',
        localhost(mutual.address),
        show(files.expired),
        /--cert-file: the certificate is valid/,
      ],
      ['a certificate without key', localhost(mutual.address), ['--cert-file', client.cert], /go together: give both/],
      ['the key of another certificate', localhost(mutual.address), wrongKey, /-cert-file and --key-file don't go/],
    ],
    2,
  );
  await check([['right', localhost(mutual.address), ['--ca-file', ca, ...show(client)], /^No entries found\.\n$/]], 0);
});

test('a server certificate for other names is reported with these names', async () => {
  await using dir = await tempDir('names');
  const { ca, server } = await certificateFiles(dir);
  await using tls = await startController('--tls.cert_file', server.cert, '--tls.key_file', server.key);
  const address = `127.0.0.2:${tls.address.slice(tls.address.lastIndexOf(':') + 1)}`;
  const expected =
    /its certificate is for other names \(IP: 127\.0\.0\.2 .*127\.0\.0\.1\); use one of these in --contr/;
  await check([['', address, ['--ca-file', ca], expected]], 3);
});

test('a command ends soon after its timeout when a port takes the connection and stays silent', async () => {
  await using silent = createServer((socket) => socket.on('error', () => {}).resume());
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const outcome = runCommand(address, ['--timeout', '200ms', '--tls', 'get', 'entries']);
  // grpc-js gives up the attempt after 20 s, and the process would live until then.
  const { promise: gaveUp, resolve } = Promise.withResolvers<void>();
  silent.once('connection', (socket) => socket.once('close', () => resolve()));
  const { code, stderr } = await outcome;
  assert.equal(code, 3);
  assert.match(stderr, /did not respond within 0\.2 s; see --timeout\n$/);
  await gaveUp;
});
