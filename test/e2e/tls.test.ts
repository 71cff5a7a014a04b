import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { startEtcd } from '../../stack/etcd.ts';
import { testCertificates } from '../support/certificates.ts';
import { newPrefix } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import { runProcess, startProcess } from '../support/process.ts';
import { sharedKafka } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { countRecords, createTopic } from '../support/topics.ts';

test('controller, agents, command and etcd use mutual TLS, and a client without a certificate is refused', async () => {
  await using dir = await tempDir('tls');
  const certificates = await testCertificates(dir);
  const { ca, server, client } = certificates;
  const etcd = await startEtcd({ dataDir: dir.at('etcd'), tls: { ca, ...server } });
  try {
    const kafka = await sharedKafka();
    const topic = await createTopic(kafka);
    const show = (setting: string) => [
      ...[`--${setting}.enabled`, `--${setting}.ca_file`, ca],
      ...[`--${setting}.cert_file`, client.cert, `--${setting}.key_file`, client.key],
    ];
    await using controller = startProcess('controller/main.ts', [
      ...['--listen', '127.0.0.1:0', '--etcd', etcd.endpoint, '--etcd.prefix', newPrefix(), ...show('etcd.tls')],
      ...[
        '--tls.cert_file',
        server.cert,
        '--tls.key_file',
        server.key,
        '--tls.client_ca_file',
        ca,
        ...show('peer_tls'),
      ],
    ]);
    const { address } = (await controller.logged('listening')) as { address: string };
    const shown = ['--ca-file', ca, '--cert-file', client.cert, '--key-file', client.key];
    const logfleet = (args: string[]) => runProcess('cli/main.ts', ['--controller', address, ...args]);
    await writeFile(dir.at('a.log'), 'one\n');
    const entry = { name: 'app', paths: [dir.at('*.log')], topic, start: 'beginning' };
    await writeFile(dir.at('entry.yaml'), JSON.stringify(entry));
    await eventually(async () => {
      const { stdout, stderr } = await logfleet([...shown, '--author', 'mallory', 'apply', '-f', dir.at('entry.yaml')]);
      assert.match(stdout, /^entry\/app (created|unchanged)\n$/, stderr);
    });
    const { stdout: history } = await logfleet([...shown, 'history', 'entry', 'app', '-o', 'json']);
    const [version] = JSON.parse(history).versions;
    assert.deepEqual([version.author, version.author_authenticated], ['client', true]);
    const common = ['--controller', address, '--kafka', kafka.join(',')];
    await using agent = startProcess('agent/main.ts', [
      ...[...common, '--id', 'a', '--state', dir.at('state'), ...show('controller.tls')],
    ]);
    await agent.logged('connected to the controller');
    await eventually(async () => assert.equal(await countRecords(kafka, topic), 1));

    for (const args of [[], ['--ca-file', ca]]) {
      const { code, stderr } = await logfleet(['--timeout', '3s', ...args, 'get', 'entries']);
      assert.equal(code, 3, stderr);
    }
    const strangers: [string[], RegExp][] = [
      [['--controller.tls.enabled'], /certificate/i],
      [[...show('controller.tls'), '--controller.tls.server_name', 'other.example'], /other\.example/],
    ];
    for (const [index, [args, expected]] of strangers.entries()) {
      const own = [...common, '--id', 'b', '--state', dir.at(`stranger-${index}`)];
      await using stranger = startProcess('agent/main.ts', [...own, ...args]);
      const { error } = await stranger.logged('no stream to the controller', { timeoutMs: 20_000 });
      assert.match(String(error), expected);
    }
  } finally {
    await etcd.stop();
  }
});

test('an unreadable certificate is reported with the setting and the file', async () => {
  await using dir = await tempDir();
  const args = ['--controller', '127.0.0.1:1', '--kafka', '127.0.0.1:1', '--state', dir.path];
  const missing = ['--controller.tls.enabled', '--controller.tls.ca_file', dir.at('none.pem')];
  const { code, stderr } = await runProcess('agent/main.ts', [...args, ...missing]);
  assert.equal(code, 1);
  assert.match(stderr, /controller\.tls\.ca_file: can't read .*none\.pem: ENOENT/);
  const half = await runProcess('agent/main.ts', [...args, '--controller.tls.cert_file', dir.at('x')]);
  assert.equal(half.code, 2);
  assert.match(half.stderr, /controller\.tls: cert_file and key_file go together/);
});
