import assert from 'node:assert/strict';
import { truncate, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { agentId } from '../../proto/rules/names.ts';
import { startAgent } from '../support/agents.ts';
import { newPrefix, startController } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import { runProcess } from '../support/process.ts';
import { sharedEtcd, sharedKafka } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { countRecords, newTopic, readTopic } from '../support/topics.ts';

/** The audit topic's facts of one agent. */
async function auditOf(kafka: string[], topic: string, agent: string) {
  const records = await readTopic(kafka, topic);
  return records.map(({ value }) => JSON.parse(String(value))).filter((fact) => fact.agent === agent);
}

test('every controller, the command and the audit topic report what a truncation destroyed, also after kill -9', async () => {
  const kafka = await sharedKafka();
  const etcd = await sharedEtcd();
  const prefix = newPrefix();
  const audit = newTopic();
  await using dir = await tempDir();
  const settings = ['--kafka', kafka.join(','), '--topics.audit', audit];
  await using one = await startController(etcd, prefix, ...settings);
  await using other = await startController(etcd, prefix, ...settings);
  const options = {
    id: 'web-1',
    controller: one.address,
    kafka,
    state: dir.at('state'),
    args: ['--audit-topic', audit],
  };
  const log = dir.at('app.log');
  const topic = newTopic();
  {
    await using agent = startAgent({ ...options, labels: { env: 'prod' } });
    await agent.logged('connected to the controller');
    await writeFile(log, 'one\nhalf of a line');
    const entry = { paths: [log], topic, start: 'beginning' };
    await one.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry });
    await eventually(async () => assert.equal(await countRecords(kafka, topic), 1));
    await eventually(async () => {
      const { files } = await one.api.call('FleetService', 'GetAgent', { name: 'agents/web-1' });
      assert.deepEqual([files[0]?.position, files[0]?.size], ['4', '18']);
    });
    await truncate(log, 0);
    await agent.logged('bytes of a file are lost');
    await eventually(async () => assert.equal((await auditOf(kafka, audit, 'web-1')).length, 1), { timeoutMs: 20_000 });
    await agent.kill('SIGKILL');
  }
  await using again = startAgent({ ...options, labels: { env: 'prod' } });
  await again.logged('connected to the controller');
  const list = (more: Record<string, unknown>, { api } = other) => api.call('FleetService', 'ListFacts', more);
  const { facts } = await eventually(async () => {
    const answer = await list({ kind: 'KIND_LOSS' });
    assert.equal(answer.facts.length, 1);
    return answer;
  });
  const [fact] = facts;
  assert.deepEqual([agentId(fact.agent), fact.entry, fact.path], ['web-1', 'entries/app', log]);
  assert.deepEqual(fact.loss, { start: '4', end: '18', bytes: '14', open_ended: true, reason: 'REASON_TRUNCATED' });
  const [audited] = await auditOf(kafka, audit, 'web-1');
  assert.deepEqual([audited.id, audited.generation, audited.bytes], [fact.id, fact.generation, 14]);
  for (const { api } of [one, other]) {
    const { health, entries } = await api.call('FleetService', 'GetAgent', { name: 'agents/web-1' });
    assert.deepEqual([health.lost_bytes, entries[0].lost_bytes, entries[0].losses], ['14', '14', '1']);
  }
  const counts: [Record<string, unknown>, number][] = [
    [{ agent: 'agents/web-1', entry: 'entries/app', label_selector: 'env=prod' }, 1],
    [{ agent: 'agents/web-2' }, 0],
    [{ entry: 'entries/other' }, 0],
    [{ label_selector: 'env=stage' }, 0],
    [{ kind: 'KIND_SEALED' }, 0],
    [{ local_only: true }, 0],
  ];
  for (const [more, count] of counts) assert.equal((await list(more)).facts.length, count, JSON.stringify(more));
  await assert.rejects(list({ agent: 'web-1', entry: 'app' }), /is not an agent's name/);
  const logfleet = (...args: string[]) => runProcess('cli/main.ts', ['--controller', other.address, ...args]);
  const table = (await logfleet('get', 'losses', '--entry', 'app')).stdout;
  assert.match(
    table,
    /^AGENT +ENTRY +PATH +GENERATION +RANGE +BYTES +REASON +AGE\nweb-1 +app +\/.*app\.log +[0-9a-f]{16} +4-18\+ +14 +Truncated +\d+s\n$/,
  );
  assert.equal(JSON.parse((await logfleet('get', 'losses', '-o', 'json')).stdout).losses[0].id, fact.id);
  assert.equal((await logfleet('get', 'losses', '-l', 'env=stage')).stderr, 'No losses found.\n');
  assert.match((await logfleet('get', 'agents')).stdout, /LAG +BEHIND +LOST .*\nweb-1 .* 14 B /);
  assert.match(
    (await logfleet('describe', 'agent', 'web-1')).stdout,
    /Lost: +14 B\n(.*\n)*Entries:\n.* LOST +.*\n.* 14 B in 1 /,
  );
  for (const args of [
    ['losses', 'x'],
    ['losses', '-w'],
    ['entries', '--entry', 'x'],
  ])
    assert.equal((await logfleet('get', ...args)).code, 2);
  assert.equal((await logfleet('describe', 'loss', 'x')).code, 2);
});
