import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { before, test } from 'node:test';
import { systemClock } from '../../runtime/clock.ts';
import type { ConfigurationFiles } from '../../runtime/file-changes.ts';
import { LiveSecrets } from '../../runtime/live-secrets.ts';
import { createLogger } from '../../runtime/logger.ts';
import { saslSettings, tlsSettings } from '../../runtime/security.ts';
import { createAuthority, type TestAuthority } from '../support/certificates.ts';
import { type TempDir, tempDir } from '../support/temp-dir.ts';

let authority: TestAuthority;
before(async () => {
  authority = await createAuthority();
});

/** Secrets whose files are checked when the test says so. */
function liveSecrets() {
  const log: string[] = [];
  const logger = createLogger({ level: 'info', format: 'text', write: (line) => log.push(line) });
  const watched: ConfigurationFiles[] = [];
  const changes = { add: (files: ConfigurationFiles) => void watched.push(files) };
  return {
    log,
    secrets: new LiveSecrets(changes, { clock: systemClock, logger }),
    check: async () => {
      for (const files of watched) await files.check();
    },
  };
}

async function writePair(dir: TempDir, { cert, key }: { cert: string; key: string }): Promise<void> {
  await writeFile(dir.at('cert.pem'), cert);
  await writeFile(dir.at('key.pem'), key);
}

test('a changed certificate and key are used when both are written; until then the previous pair is', async () => {
  await using dir = await tempDir();
  const { log, secrets, check } = liveSecrets();
  const [first, second] = [await authority.issue('first'), await authority.issue('second')];
  await writePair(dir, first);
  const settings = tlsSettings.parse({ enabled: true, cert_file: dir.at('cert.pem'), key_file: dir.at('key.pem') });
  const tls = secrets.tls(settings, 'kafka.tls');
  let changes = 0;
  tls.onChange(() => changes++);
  const inUse = () => [tls.current?.cert?.toString(), tls.current?.key?.toString()];
  await check();
  assert.deepEqual([inUse(), changes, log], [[first.cert, first.key], 0, []]);

  await writeFile(dir.at('cert.pem'), second.cert);
  await check();
  await check();
  assert.deepEqual([inUse(), changes], [[first.cert, first.key], 0]);
  assert.equal(log.length, 1, 'the same reason is logged once');
  assert.match(String(log[0]), /WARN .*previous.*setting=kafka\.tls.*cert\.pem.*don't go together.*remedy=/);

  await writeFile(dir.at('key.pem'), second.key);
  await check();
  assert.deepEqual([inUse(), changes], [[second.cert, second.key], 1]);
  assert.match(String(log[1]), /INFO .*reloaded.*kafka\.tls/);
});

test('files that new connections could not use are refused, with what is wrong', async () => {
  await using dir = await tempDir();
  const { log, secrets, check } = liveSecrets();
  const good = await authority.issue('good');
  await writePair(dir, good);
  await writeFile(dir.at('ca.pem'), authority.cert);
  const files = { ca_file: dir.at('ca.pem'), cert_file: dir.at('cert.pem'), key_file: dir.at('key.pem') };
  const tls = secrets.tls(tlsSettings.parse({ enabled: true, ...files }), 'controller.tls');
  const inUse = tls.current;
  const other = await createAuthority('other');
  const bad: [string, string, RegExp][] = [
    ['ca.pem', '', /controller\.tls\.ca_file: holds no certificate/],
    ['ca.pem', `${other.cert}\n${authority.cert.slice(0, -60)}`, /ca_file: holds a certificate that is not whole/],
    ['ca.pem', `${authority.cert.trim()}${other.cert}`, /ca_file: holds a certificate that is not whole/],
    ['ca.pem', authority.cert.replace(/MII/, 'XXX'), /ca_file: holds a certificate that can't be decoded/],
    ['ca.pem', (await authority.issue('old', new Date(0))).cert, /ca_file: the certificate is valid from .* to 1970/],
    ['cert.pem', good.cert.slice(0, 200), /cert_file: holds no certificate/],
    ['cert.pem', (await authority.issue('old', new Date(0))).cert, /cert_file: .* valid from 1969.* to 1970/],
    ['key.pem', good.key.slice(0, 200), /cert_file and key_file don't go together/],
  ];
  for (const [name, text, expected] of bad) {
    await writePair(dir, good);
    await writeFile(dir.at('ca.pem'), authority.cert);
    await check();
    await writeFile(dir.at(name), text);
    await check();
    assert.match(String(log.pop()), expected);
    assert.equal(tls.current, inUse);
  }
  await rm(dir.at('key.pem'));
  await check();
  assert.match(String(log.pop()), /controller\.tls\.key_file: can't read .*ENOENT/);
  assert.equal(tls.current, inUse);

  await writePair(dir, good);
  await writeFile(dir.at('ca.pem'), `${(await authority.issue('old', new Date(0))).cert}\n${other.cert}`);
  await check();
  assert.notEqual(tls.current, inUse, 'a bundle may hold an old authority beside a current one');
});

test('a changed password is used, and an emptied file is not', async () => {
  await using dir = await tempDir();
  const { log, secrets, check } = liveSecrets();
  await writeFile(dir.at('password'), 'first\n');
  const login = { mechanism: 'plain', username: 'a', password_file: dir.at('password') };
  const sasl = secrets.sasl(saslSettings.parse(login), 'kafka.sasl');
  const line = secrets.line(dir.at('password'), 'etcd.password_file', undefined);
  const inUse = () => [sasl.current?.password, line.current];
  assert.deepEqual(inUse(), ['first', 'first']);
  await writeFile(dir.at('password'), '');
  await check();
  assert.deepEqual(inUse(), ['first', 'first']);
  assert.match(log.join(''), /kafka\.sasl\.password_file: the first line is empty/);
  assert.match(log.join(''), /etcd\.password_file: the first line is empty/);
  await writeFile(dir.at('password'), 'second\nof no matter');
  await check();
  assert.deepEqual(inUse(), ['second', 'second']);
  assert.doesNotMatch(log.join(''), /first\n|second/, 'a password is never logged');
});

test('settings without files need nothing to be watched', () => {
  const { secrets } = liveSecrets();
  assert.equal(secrets.tls(tlsSettings.parse({}), 'kafka.tls').current, undefined);
  assert.equal(secrets.sasl(saslSettings.parse({}), 'kafka.sasl').current, undefined);
  assert.equal(secrets.serverTls({}, 'tls').current, undefined);
  assert.equal(secrets.line(undefined, 'etcd.password_file', 'given').current, 'given');
});
