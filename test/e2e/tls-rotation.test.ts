import assert from 'node:assert/strict';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { startEtcd } from '../../stack/etcd.ts';
import { createAuthority, type TestAuthority } from '../support/certificates.ts';
import { newPrefix } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import { runProcess, startProcess, type TestProcess } from '../support/process.ts';
import { sharedKafka } from '../support/servers.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { type TempDir, tempDir } from '../support/temp-dir.ts';
import { countRecords, createTopic } from '../support/topics.ts';

const PATIENCE = { timeoutMs: 20_000 };

/** One party's certificate, key and trusted authorities. */
interface Party {
  ca: string;
  cert: string;
  key: string;
}

async function createParty(dir: TempDir, name: string): Promise<Party> {
  await mkdir(dir.at(name));
  return { ca: dir.at(name, 'ca.pem'), cert: dir.at(name, 'cert.pem'), key: dir.at(name, 'key.pem') };
}

async function issueTo({ ca, cert, key }: Party, authority: TestAuthority): Promise<void> {
  const issued = await authority.issue('logfleet');
  await writeFile(ca, authority.cert);
  await writeFile(cert, issued.cert);
  await writeFile(key, issued.key);
}

function flags(setting: string, { ca, cert, key }: Party): string[] {
  return [
    `--${setting}.enabled`,
    `--${setting}.ca_file`,
    ca,
    `--${setting}.cert_file`,
    cert,
    `--${setting}.key_file`,
    key,
  ];
}

/** The settings whose changed files a process has reloaded. */
function reloaded(running: TestProcess): string[] {
  const lines = running
    .stderr()
    .split('\n')
    .filter((line) => line.includes('"reloaded changed files"'));
  return lines.map((line) => JSON.parse(line).setting).sort();
}

test('every certificate and authority is replaced under a running fleet: streams continue, new connections use the new', async () => {
  await using dir = await tempDir('rotation');
  const [first, second] = [await createAuthority('first'), await createAuthority('second')];
  const etcdParty = await createParty(dir, 'etcd');
  const controllerParty = await createParty(dir, 'controller');
  const agentParty = await createParty(dir, 'agent');
  for (const party of [etcdParty, controllerParty, agentParty]) await issueTo(party, first);
  // etcd reads its certificate for each connection, and its clients' authorities only when it
  // starts.
  await writeFile(dir.at('etcd', 'clients-ca.pem'), `${first.cert}\n${second.cert}`);
  const etcd = await startEtcd({
    dataDir: dir.at('etcd'),
    tls: { ...etcdParty, ca: dir.at('etcd', 'clients-ca.pem') },
  });
  const [toEtcd, toController] = [await startTcpProxy(), await startTcpProxy()];
  try {
    toEtcd.targetPort = etcd.port;
    const kafka = await sharedKafka();
    const topic = await createTopic(kafka);
    await using controller = startProcess('controller/main.ts', [
      ...['--listen', '127.0.0.1:0', '--etcd', `https://127.0.0.1:${toEtcd.port}`, '--etcd.prefix', newPrefix()],
      ...['--tls.cert_file', controllerParty.cert, '--tls.key_file', controllerParty.key],
      ...['--tls.client_ca_file', controllerParty.ca, ...flags('etcd.tls', controllerParty)],
    ]);
    const { address } = (await controller.logged('listening')) as { address: string };
    toController.targetPort = Number(address.split(':')[1]);
    await using agent = startProcess('agent/main.ts', [
      ...['--controller', `127.0.0.1:${toController.port}`, '--kafka', kafka.join(','), '--id', 'a'],
      ...['--state', dir.at('state'), ...flags('controller.tls', agentParty)],
    ]);
    await agent.logged('connected to the controller', PATIENCE);

    const operator = await createParty(dir, 'operator');
    const apply = async (name: string) => {
      const entry = { name, paths: [dir.at(`${name}.log`)], topic, start: 'beginning' };
      await writeFile(dir.at(`${name}.yaml`), JSON.stringify(entry));
      await writeFile(dir.at(`${name}.log`), `${name}\n`);
      const { ca, cert, key } = operator;
      const tls = ['--ca-file', ca, '--cert-file', cert, '--key-file', key];
      const args = ['--controller', address, '--timeout', '5s', ...tls, 'apply', '-f', dir.at(`${name}.yaml`)];
      return runProcess('cli/main.ts', args);
    };
    const applied = async (name: string, records: number) => {
      await eventually(async () => {
        const { code, stderr } = await apply(name);
        assert.equal(code, 0, `${stderr}\n${controller.stderr()}`);
      }, PATIENCE);
      await eventually(async () => assert.equal(await countRecords(kafka, topic), records, agent.stderr()), PATIENCE);
    };
    await issueTo(operator, first);
    await applied('before', 1);

    for (const party of [etcdParty, controllerParty, agentParty]) await issueTo(party, second);
    await eventually(() => assert.deepEqual([...new Set(reloaded(controller))], ['etcd.tls', 'tls']), PATIENCE);
    await eventually(() => assert.deepEqual([...new Set(reloaded(agent))], ['controller.tls']), PATIENCE);
    assert.equal((await apply('refused')).code, 3, 'the first authority does not sign the new certificate');
    await issueTo(operator, second);
    await applied('during', 2);
    assert.doesNotMatch(agent.stderr(), /no stream to the controller/, 'the stream continues');
    assert.doesNotMatch(controller.stderr(), /view of etcd is behind|lease in etcd/, 'watch and lease continue');

    toController.setMode('cut');
    toEtcd.setMode('cut');
    await agent.logged('no stream to the controller', PATIENCE);
    toController.setMode('pass');
    toEtcd.setMode('pass');
    await applied('after', 3);

    await writeFile(controllerParty.key, (await second.issue('another')).key);
    const rejected = await controller.logged(
      'changed files cannot be used; the previous content stays in use',
      PATIENCE,
    );
    assert.match(String(rejected['error']), /cert_file and key_file don't go together/);
    await applied('last', 4);
    await appendFile(dir.at('before.log'), 'more\n');
    await eventually(async () => assert.equal(await countRecords(kafka, topic), 5, agent.stderr()), PATIENCE);
  } finally {
    await toController.stop();
    await toEtcd.stop();
    await etcd.stop();
  }
});
