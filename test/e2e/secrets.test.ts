import assert from 'node:assert/strict';
import { appendFile, copyFile, readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { createAuthority, testCertificates } from '../support/certificates.ts';
import { newPrefix, startController } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import { guardedKafka } from '../support/guarded-kafka.ts';
import { startProcess } from '../support/process.ts';
import { sharedEtcd } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { countRecords, type Entrance, newTopic } from '../support/topics.ts';

const PATIENCE = { timeoutMs: 30_000 };

test("Kafka's authority and password are corrected in their files: agent and controller use them without a restart", async () => {
  await using dir = await tempDir('secrets');
  const certificates = await testCertificates(dir);
  const kafka = await guardedKafka(dir, certificates);
  try {
    const entrance: Entrance = {
      ssl: { ca: await readFile(certificates.ca) },
      sasl: { mechanism: 'plain', username: 'alice', password: 'plain' },
    };
    const [ca, password] = [dir.at('kafka-ca.pem'), dir.at('password')];
    await writeFile(ca, (await createAuthority('another')).cert);
    await writeFile(password, 'wrong\n');
    const secrets = [
      ...['--kafka', kafka.bootstrap.join(','), '--kafka.tls.enabled', '--kafka.tls.ca_file', ca],
      ...['--kafka.sasl.mechanism', 'plain', '--kafka.sasl.username', 'alice', '--kafka.sasl.password_file', password],
    ];
    await using controller = await startController(await sharedEtcd(), newPrefix(), ...secrets);
    await using agent = startProcess('agent/main.ts', [
      ...['--controller', controller.address, '--state', dir.at('state'), '--id', 'a', ...secrets],
    ]);
    const topic = newTopic();
    await writeFile(dir.at('a.log'), 'one\n');
    const entry = { name: 'entries/a', paths: [dir.at('a.log')], topic, start: 'beginning' };
    await controller.api.call('EntryService', 'CreateEntry', { entry });
    const status = async () =>
      (await controller.api.call('EntryService', 'GetEntry', { name: 'entries/a' })).topic_status;
    await eventually(async () => assert.match(String((await status())?.message), /can't be reached/), PATIENCE);
    const failure = 'cannot deliver lines yet; retrying';
    assert.match(String((await agent.logged(failure, PATIENCE))['error']), /certificate/);

    await copyFile(certificates.ca, ca);
    await eventually(async () => {
      const { entries } = await controller.api.call('FleetService', 'GetAgent', { name: 'agents/a' });
      assert.match(JSON.stringify(entries), /refused the login/, agent.stderr());
    }, PATIENCE);
    assert.equal((await status())?.state, 'STATE_PENDING');

    await writeFile(password, 'plain\n');
    await eventually(async () => assert.equal((await status())?.state, 'STATE_READY'), PATIENCE);
    await appendFile(dir.at('a.log'), 'two\n');
    await eventually(async () => assert.equal(await countRecords(kafka.bootstrap, topic, entrance), 2), PATIENCE);
  } finally {
    await kafka.stop();
  }
});
