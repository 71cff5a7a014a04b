import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newPrefix, startController } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { runCommand } from '../../support/run-command.ts';
import { sharedEtcd } from '../../support/servers.ts';
import { SimulatedAgent } from '../../support/simulated-agent.ts';

/** Three entries: one for the agents in prod, one for those in test, one for all agents. */
const entries = ['env=prod', 'env=test', ''].map((selector, index) => ({
  ...{ name: `e${index}`, paths: ['/x/*.log'], topic: 't', selector },
}));

/** Runs `apply` without the warning of paths: simulated agents can't check them. */
async function runApply(address: string, args: readonly string[], input: object) {
  const applied = await runCommand(address, ['apply', '-f', '-', ...args], { input: JSON.stringify(input) });
  return { ...applied, stderr: applied.stderr.replaceAll(/^warning: no agent could check the paths of .*\n/gm, '') };
}

test('apply warns of a rollout step that no agent of the entry matches or that needs more agents than there are', async () => {
  await using controller = await startController(await sharedEtcd(), newPrefix());
  const apply = (steps: string, ...more: string[]) =>
    runApply(controller.address, ['--rollout', steps, ...more], { entries });
  const steps = 'env=prdo,1,env=prod,100%,3,all';
  assert.equal((await apply(steps, '--dry-run')).stderr, '', 'a fleet without agents gets no warning');
  await using stack = new AsyncDisposableStack();
  const start = async (id: string, env: string) => {
    const agent = stack.use(new SimulatedAgent(id, [controller.address], { labels: { env } }));
    await eventually(() => assert.equal(agent.connections.length, 1));
    return agent;
  };
  await start('web-1', 'prod');
  await start('web-2', 'prod');
  const other = await start('db-1', 'test');
  const warnings = [
    'warning: rollout step env=prdo matches no agent (2 known): e0',
    'warning: rollout step 3 needs more agents than are connected (2): e0',
    'warning: rollout step env=prdo matches no agent (1 known): e1',
    'warning: rollout step env=prod matches no agent (1 known): e1',
    'warning: rollout step 3 needs more agents than are connected (1): e1',
    'warning: rollout step env=prdo matches no agent (3 known): e2',
    '',
  ];
  const dry = await apply(steps, '--dry-run');
  assert.deepEqual([dry.code, dry.stderr.split('\n')], [0, warnings]);
  assert.equal(
    (await apply('agent=db-1,1,all', '--dry-run')).stderr,
    'warning: rollout step agent=db-1 matches no agent (2 known): e0\n',
  );
  await other[Symbol.asyncDispose]();
  await eventually(async () => {
    const { stderr } = await apply('env=test,10%,all', '--dry-run');
    assert.deepEqual(stderr.split('\n'), [
      'warning: rollout step env=test matches no agent (2 known): e0',
      'warning: rollout step env=test has no connected agent (1 known): e1, e2',
      'warning: rollout step 10% has no connected agent (1 known): e1',
      '',
    ]);
  });
  const applied = await apply(steps);
  assert.equal(applied.code, 0);
  assert.equal(applied.stdout, 'entry/e0 created\nentry/e1 created\nentry/e2 created\n');
});

test('a rollout step may match agents that only the previous version selects', async () => {
  await using controller = await startController(await sharedEtcd(), newPrefix());
  const apply = (selector: string, ...more: string[]) =>
    runApply(controller.address, more, { ...entries[0], selector });
  await using web = new SimulatedAgent('web-1', [controller.address], { labels: { env: 'prod' } });
  await using db = new SimulatedAgent('db-1', [controller.address], { labels: { env: 'test' } });
  await eventually(() => assert.deepEqual([web.connections.length, db.connections.length], [1, 1]));
  await apply('env=prod');
  const moved = await apply('env=test', '--rollout', 'env=prod,2,all');
  assert.deepEqual(moved, { code: 0, stdout: 'entry/e0 configured (selector)\n', stderr: '' });
});
