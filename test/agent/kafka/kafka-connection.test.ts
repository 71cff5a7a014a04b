import assert from 'node:assert/strict';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { test } from 'node:test';
import { KafkaConnection } from '../../../agent/kafka/kafka-connection.ts';
import { apis } from '../../../agent/kafka/kafka-messages.ts';
import { assemble } from '../../support/assemble.ts';
import { testCertificates } from '../../support/certificates.ts';
import { eventually } from '../../support/eventually.ts';
import { guardedKafka } from '../../support/guarded-kafka.ts';
import { startWriter } from '../../support/line-writer.ts';
import { runProcess, startProcess } from '../../support/process.ts';
import { sharedKafka } from '../../support/servers.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { countRecords, createTopic, type Entrance, readTopic } from '../../support/topics.ts';

const PASSWORD = 'a, "strange"=pässword';

test('an agent logs in over TLS with plain and scram, renews sessions, and explains a failed login', async () => {
  await using dir = await tempDir('sasl');
  const certificates = await testCertificates(dir);
  const kafka = await guardedKafka(dir, certificates);
  try {
    const entrance: Entrance = {
      ssl: { ca: await readFile(certificates.ca) },
      sasl: { mechanism: 'plain', username: 'alice', password: 'plain' },
    };
    const topic = await createTopic(kafka.bootstrap, 1, { entrance });
    const entries = async (name: string) => {
      const text = JSON.stringify({ entries: [{ name, paths: [dir.at(`${name}.log`)], topic, start: 'beginning' }] });
      await writeFile(dir.at(`${name}.yaml`), text);
      const own = ['--entries', dir.at(`${name}.yaml`), '--state', dir.at(`state-${name}`)];
      return [
        ...own,
        '--kafka',
        kafka.bootstrap.join(','),
        '--kafka.tls.enabled',
        '--kafka.tls.ca_file',
        certificates.ca,
      ];
    };
    const login = async (mechanism: string, username: string, password: string) => {
      await writeFile(dir.at('password'), `${password}\n`);
      const user = ['--kafka.sasl.mechanism', mechanism, '--kafka.sasl.username', username];
      return [...user, '--kafka.sasl.password_file', dir.at('password')];
    };
    const users = [
      ['plain', 'alice', 'plain'],
      ['scram-sha-256', 'bob', 'secret-256'],
    ] as const;
    for (const [mechanism, user, password] of users) {
      await writeFile(dir.at(`${user}.log`), `${user}\n`);
      const args = [...(await entries(user)), ...(await login(mechanism, user, password)), '--once'];
      const { code, stderr } = await runProcess('agent/main.ts', args);
      assert.equal(code, 0, stderr);
    }
    const values = (await readTopic(kafka.bootstrap, topic, entrance)).map(({ value }) => value.toString());
    assert.deepEqual(values, ['alice', 'bob']);

    const wrong = [
      ['plain', 'alice', PASSWORD, /refused the login.*check kafka\.sasl/],
      ['scram-sha-256', 'bob', PASSWORD, /refused the login.*check kafka\.sasl/],
    ] as const;
    await appendFile(dir.at('alice.log'), 'more\n');
    for (const [mechanism, user, password, expected] of wrong) {
      await using agent = startProcess('agent/main.ts', [
        ...(await entries('alice')),
        ...(await login(mechanism, user, password)),
      ]);
      assert.match(String((await agent.logged('cannot deliver lines yet; retrying'))['error']), expected);
      await agent.kill('SIGTERM');
    }

    const writer = startWriter(dir.at('eve.log'));
    await using agent = startProcess('agent/main.ts', [
      ...(await entries('eve')),
      ...(await login('scram-sha-512', 'eve', 'secret-512')),
    ]);
    const startMs = performance.now();
    await eventually(() => assert.ok(performance.now() - startMs > 5_000));
    await writer.stop();
    await eventually(async () =>
      assert.equal(await countRecords(kafka.bootstrap, topic, entrance), writer.lines + values.length),
    );
    await agent.kill('SIGTERM');
    const records = await readTopic(kafka.bootstrap, topic, entrance);
    const file = [...assemble(records).values()].find(({ path }) => path.endsWith('eve.log'));
    assert.deepEqual(file?.bytes, writer.bytes);
    assert.doesNotMatch(agent.stderr(), /held up/, 'sessions were followed by others before they ended');
  } finally {
    await kafka.stop();
  }
});

async function listening(server: Server): Promise<{ host: string; port: number }> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { host: '127.0.0.1', port: (server.address() as { port: number }).port };
}

test('a port that is not Kafka, is closed, or requires TLS is reported as such', async () => {
  const web = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  const shut = createServer((socket) => socket.destroy());
  try {
    const open = (address: { host: string; port: number }) =>
      KafkaConnection.open(address, { clientId: 'test', requiredApis: [] });
    await assert.rejects(open(await listening(web)), { code: 'UNSUPPORTED', message: /is not Kafka/ });
    await assert.rejects(open(await listening(shut)), {
      code: 'NETWORK',
      message: /check whether its port expects TLS/,
    });
    const closed = createServer();
    const address = await listening(closed);
    await new Promise((resolve) => closed.close(resolve));
    await assert.rejects(open(address), (error: Error) => {
      assert.match(`${error.message} ${error.cause}`, /Kafka at 127\.0\.0\.1:\d+ .*ECONNREFUSED/);
      return true;
    });
  } finally {
    web.close();
    shut.close();
  }
});

test('a broker that lacks a required API is refused with the release that has it', async () => {
  const [address] = await sharedKafka();
  const [host, port] = (address as string).split(':') as [string, string];
  const needs = [apis.metadata, { name: 'Produce', key: 0, version: 999, since: '99.0' }];
  await assert.rejects(KafkaConnection.open({ host, port: Number(port) }, { clientId: 'test', requiredApis: needs }), {
    code: 'UNSUPPORTED',
    message: /has no Produce version 999: upgrade it to Kafka 99\.0 or newer/,
  });
});
