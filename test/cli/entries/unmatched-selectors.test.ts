import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { newPrefix, startController } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { runProcess } from '../../support/process.ts';
import { sharedEtcd } from '../../support/servers.ts';
import { SimulatedAgent } from '../../support/simulated-agent.ts';
import { tempDir } from '../../support/temp-dir.ts';

test('apply warns of a selector that matches no agent and still applies it; a fleet without agents gets no warning', async () => {
  await using dir = await tempDir('selectors');
  await using controller = await startController(await sharedEtcd(), newPrefix());
  const entries = ['env=prdo', 'env=prod', ''].map((selector, index) => ({
    ...{ name: `e${index}`, paths: ['/x/*.log'], topic: 't', selector },
  }));
  await writeFile(dir.at('e.yaml'), JSON.stringify({ entries }));
  const apply = (...more: string[]) =>
    runProcess('cli/main.ts', ['apply', '-f', dir.at('e.yaml'), '--controller', controller.address, ...more]);
  assert.deepEqual(await apply('--dry-run'), {
    ...{ code: 0, stderr: '' },
    stdout: [0, 1, 2].map((index) => `entry/e${index} created (dry run)\n`).join(''),
  });
  await using agent = new SimulatedAgent('web-1', [controller.address], { labels: { env: 'prod' } });
  await eventually(() => assert.equal(agent.connections.length, 1));
  const { code, stdout, stderr } = await apply();
  assert.equal(code, 0);
  const [selector, ...others] = stderr.split('\n').filter(Boolean);
  assert.equal(selector, 'warning: selector env=prdo matches no agent (1 known): e0');
  // Simulated agents have no files.
  assert.match(others.join(), /^warning: no agent could check the paths of e1, e2: web-1: [^,]+$/);
  assert.match(stdout, /entry\/e0 created/);
});
