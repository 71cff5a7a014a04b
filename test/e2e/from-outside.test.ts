import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { ETCDCTL, findOutside, GHZ, GRPCURL, type OutsideTool } from '../../bench/tools/from-outside.ts';
import { newPrefix, startController } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import { sharedEtcd } from '../support/servers.ts';
import { SimulatedAgent } from '../support/simulated-agent.ts';

const run = promisify(execFile);
const proto = join(import.meta.dirname, '..', '..', 'proto');

/** The tool's path; undefined if it is not installed, which skips the test. */
async function toolFor(t: TestContext, tool: OutsideTool): Promise<string | undefined> {
  const path = await findOutside(tool);
  if (!path) t.skip(`${tool.name} is not on this machine: npm run bench -- build-peers`);
  return path;
}

test('grpcurl, which knows nothing but the address, lists, creates, refuses and reads entries and agents', async (t) => {
  const grpcurl = await toolFor(t, GRPCURL);
  if (!grpcurl) return;
  await using controller = await startController(await sharedEtcd(), newPrefix());
  await using _agent = new SimulatedAgent('web-1', [controller.address]);
  const call = async (method: string, request?: object) => {
    const data = request ? ['-d', JSON.stringify(request)] : [];
    return (await run(grpcurl, ['-plaintext', ...data, controller.address, ...method.split(' ')])).stdout;
  };
  assert.match(
    await call('list'),
    /logfleet\.v1\.AgentService\nlogfleet\.v1\.EntryService\nlogfleet\.v1\.FleetService/,
  );
  assert.match(await call('describe logfleet.v1.EntryService.CreateEntry'), /rpc CreateEntry/);
  const create = { entry_id: 'nginx', entry: { paths: ['/var/log/nginx/*.log'], topic: 'nginx' } };
  const created = JSON.parse(await call('logfleet.v1.EntryService/CreateEntry', create));
  assert.equal(created.name, 'entries/nginx');
  const wrong = { entry_id: 'wrong', entry: { paths: ['relative'], topic: 'no/topic', selector: 'a in' } };
  await assert.rejects(call('logfleet.v1.EntryService/CreateEntry', wrong), ({ stderr }: { stderr: string }) => {
    assert.match(stderr, /Code: InvalidArgument/);
    for (const field of ['entry.paths', 'entry.topic', 'entry.selector']) assert.match(stderr, new RegExp(field));
    return true;
  });
  await eventually(async () => {
    const { agents } = JSON.parse(await call('logfleet.v1.FleetService/ListAgents'));
    assert.deepEqual(
      [agents[0].name, agents[0].liveness, agents[0].entries[0].state],
      ['agents/web-1', 'LIVENESS_LIVE', 'STATE_APPLIED'],
    );
  });
});

test('ghz makes a thousand reads, and none fails', async (t) => {
  const ghz = await toolFor(t, GHZ);
  if (!ghz) return;
  await using controller = await startController(await sharedEtcd(), newPrefix());
  const files = ['--import-paths', proto, '--proto', 'logfleet/v1/entry_service.proto'];
  const load = ['--insecure', ...files, '--call', 'logfleet.v1.EntryService.ListEntries', '-n', '1000', '-c', '20'];
  const { stdout } = await run(ghz, [...load, '-O', 'json', controller.address], { maxBuffer: 2 ** 26 });
  const { count, statusCodeDistribution } = JSON.parse(stdout);
  assert.deepEqual([count, statusCodeDistribution], [1000, { OK: 1000 }]);
});

test('etcdctl reads an entry as a person would', async (t) => {
  const etcdctl = await toolFor(t, ETCDCTL);
  if (!etcdctl) return;
  const [etcd, prefix] = [await sharedEtcd(), newPrefix()];
  await using controller = await startController(etcd, prefix);
  const entry = { paths: ['/x/*.log'], topic: 't', owner: 'team-web' };
  await controller.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry });
  const get = ['--endpoints', etcd, 'get', `${prefix}entries/app`, '--print-value-only'];
  const { stdout } = await run(etcdctl, get);
  const { owner, paths } = JSON.parse(stdout);
  assert.deepEqual([owner, paths], ['team-web', ['/x/*.log']]);
});
