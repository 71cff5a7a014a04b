import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { test } from 'node:test';
import { startAgent } from '../../support/agents.ts';
import { newPrefix, startController } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { runProcess } from '../../support/process.ts';
import { sharedEtcd, sharedKafka } from '../../support/servers.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { createTopic, newTopic } from '../../support/topics.ts';

interface Told {
  status: string;
  labels: { alertname: string; agent: string; entry?: string };
  annotations: { summary: string };
  startsAt: string;
  endsAt: string;
}

/** A real HTTP server that keeps the alerts it receives, and refuses the first requests. */
async function webhook(refusals: number) {
  const told: Told[] = [];
  const counts = { refused: 0 };
  const server = createServer(async (request, response) => {
    const body = (await json(request)) as { version: string; alerts: Told[] };
    if (counts.refused < refusals) {
      counts.refused++;
      response.writeHead(503).end('not now');
      return;
    }
    assert.equal(body.version, '4');
    told.push(...body.alerts);
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const names = () =>
    told.map(({ status, labels }) => [status, labels.alertname, labels.agent, labels.entry ?? ''].join(' ').trimEnd());
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    told,
    counts,
    names,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

const often = ['--alerts.interval', '200ms', '--lease-ttl', '2s'];
const soon = [
  '--alerts.agent-lost',
  '1s',
  '--alerts.entry-failed',
  '0s',
  '--alerts.lag',
  '0s',
  '--alerts.lag-bytes',
  '4B',
];

test('an alert and its end reach the webhook once each, although the webhook fails at first and the elected controller is killed', async () => {
  const [etcd, kafka] = [await sharedEtcd(), await sharedKafka()];
  const prefix = newPrefix();
  await using hook = await webhook(2);
  await using dir = await tempDir('alerts');
  const settings = [...often, ...soon, '--alerts.webhook', hook.url];
  await using first = await startController(etcd, prefix, ...settings);
  await first.process.logged('elected');
  await using second = await startController(etcd, prefix, ...settings);
  const addresses = `${first.address},${second.address}`;
  const options = { id: 'web-1', controller: addresses, kafka, state: dir.at('state') };
  await using agent = startAgent(options);
  await agent.logged('connected to the controller');
  await writeFile(dir.at('app.log'), 'one\ntwo\n');
  const topic = newTopic();
  const entry = { paths: [dir.at('*.log')], topic, start: 'beginning' };
  await second.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry });
  const begun = ['firing LogfleetEntryFailed web-1 app', 'firing LogfleetLagHigh web-1 app'];
  // An agent of the killed controller may be lost until it has reconnected.
  const told = () =>
    hook
      .names()
      .filter((name) => !name.includes('AgentLost'))
      .sort();
  await eventually(() => assert.deepEqual(told(), begun), { timeoutMs: 30_000 });
  assert.equal(hook.counts.refused, 2);
  const alerts = async () => {
    const shown = await runProcess('cli/main.ts', ['--controller', second.address, 'get', 'alerts', '--entry', 'app']);
    return shown.stdout;
  };
  await eventually(async () =>
    assert.match(
      await alerts(),
      /EntryFailed +Firing +web-1 +app +\d+s +yes +\S.*\nLagHigh +Firing +web-1 +app +\d+s +yes +8 bytes/,
    ),
  );

  await first.process.kill('SIGKILL');
  await second.process.logged('elected', { timeoutMs: 30_000 });
  await eventually(
    async () => {
      const { liveness, controller, health } = await second.api.call('FleetService', 'GetAgent', {
        name: 'agents/web-1',
      });
      assert.ok(liveness === 'LIVENESS_LIVE' && health && controller, 'the agent is at the other controller');
    },
    { timeoutMs: 30_000 },
  );
  await createTopic(kafka, 1, { name: topic });
  const ended = ['resolved LogfleetEntryFailed web-1 app', 'resolved LogfleetLagHigh web-1 app'];
  await eventually(() => assert.deepEqual(told(), [...begun, ...ended]), { timeoutMs: 60_000 });
  for (const { status, startsAt, endsAt } of hook.told) {
    assert.ok(!Number.isNaN(Date.parse(startsAt)));
    assert.equal(endsAt === '0001-01-01T00:00:00Z', status === 'firing');
  }
  await eventually(async () => assert.equal(await alerts(), ''));

  await agent.kill('SIGKILL');
  await eventually(() => assert.equal(hook.names().at(-1), 'firing LogfleetAgentLost web-1'), { timeoutMs: 30_000 });
  await using again = startAgent(options);
  await again.logged('connected to the controller');
  await eventually(() => assert.equal(hook.names().at(-1), 'resolved LogfleetAgentLost web-1'));
  assert.equal(told().length, 4, hook.names().join(', '));
});

test('a loss is an alert for a while, with the number of bytes; an agent that said goodbye is not an alert', async () => {
  const [etcd, kafka] = [await sharedEtcd(), await sharedKafka()];
  await using hook = await webhook(0);
  await using dir = await tempDir('alerts');
  const settings = [...often, ...soon, '--alerts.webhook', hook.url, '--alerts.loss', '4s', '--alerts.lag-bytes', '0B'];
  await using controller = await startController(etcd, newPrefix(), ...settings);
  await using agent = startAgent({ id: 'web-1', controller: controller.address, kafka, state: dir.at('state') });
  await agent.logged('connected to the controller');
  await writeFile(dir.at('app.log'), `${'x'.repeat(1500)}\n`);
  const long = { max_line_bytes: 1024, over_long: 'truncate' };
  const entry = { paths: [dir.at('*.log')], topic: await createTopic(kafka), start: 'beginning', ...long };
  await controller.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry });
  await eventually(() => assert.deepEqual(hook.names(), ['firing LogfleetLinesLost web-1 app']));
  assert.match(hook.told[0]?.annotations.summary ?? '', /^477 bytes in 1 losses, the last one in .*app\.log$/);
  await eventually(() => assert.equal(hook.names().at(-1), 'resolved LogfleetLinesLost web-1 app'));
  await agent.kill('SIGTERM');
  await eventually(async () => {
    const { liveness } = await controller.api.call('FleetService', 'GetAgent', { name: 'agents/web-1' });
    assert.equal(liveness, 'LIVENESS_STOPPED');
  });
  const { alerts } = await controller.api.call('FleetService', 'ListAlerts', {});
  assert.deepEqual([alerts, hook.told.length], [[], 2]);
});
