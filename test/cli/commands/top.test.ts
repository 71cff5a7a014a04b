import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startAgent } from '../../support/agents.ts';
import { newPrefix, startController } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { runProcess } from '../../support/process.ts';
import { sharedEtcd, sharedKafka } from '../../support/servers.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { createTopic, newTopic } from '../../support/topics.ts';

const main = join(import.meta.dirname, '..', '..', '..', 'cli', 'main.ts');

/**
 * A fleet with two agents. The files of `behind`, 8,000 and 16 bytes, go to topics that do not
 * exist; the file of `fine` is delivered.
 */
async function fleet() {
  const [etcd, kafka, dir] = [await sharedEtcd(), await sharedKafka(), await tempDir('top')];
  const controller = await startController(etcd, newPrefix());
  const names = ['behind', 'fine'];
  const agents = names.map((id) =>
    startAgent({ id, controller: controller.address, kafka, state: dir.at(id), labels: { role: id } }),
  );
  for (const agent of agents) await agent.logged('connected to the controller');
  await writeFile(dir.at('large.log'), 'longer\n\n'.repeat(1000));
  await writeFile(dir.at('small.log'), 'a small line\n\n\n\n');
  const create = (entry_id: string, file: string, topic: string, role: string) =>
    controller.api.call('EntryService', 'CreateEntry', {
      entry_id,
      entry: { paths: [dir.at(file)], topic, start: 'beginning', selector: `role=${role}` },
    });
  await create('large', 'large.log', newTopic(), 'behind');
  await create('small', 'small.log', newTopic(), 'behind');
  await create('arrived', 'large.log', await createTopic(kafka), 'fine');
  return {
    controller,
    [Symbol.asyncDispose]: async () => {
      for (const agent of agents) await agent[Symbol.asyncDispose]();
      await controller[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

test('without a terminal top prints one table of agents or entries, the furthest behind first', async () => {
  await using on = await fleet();
  const top = async (...args: string[]) => {
    const outcome = await runProcess('cli/main.ts', ['--controller', on.controller.address, 'top', ...args]);
    assert.equal(outcome.code, 0, outcome.stderr);
    return outcome.stdout;
  };
  await eventually(async () => {
    const entries = await top('entries');
    assert.match(
      entries,
      /^NAME +LAG +BEHIND .*\nlarge +7\.8 KiB +\d+s +0 B +0 B +1.* +1 +behind, \d+s\nsmall +16 B +.* behind, \d+s\narrived +0 B .* -\n$/,
    );
    assert.match(await top('agents'), /^NAME +STATUS .*\nbehind +\S+ +7\.8 KiB .*\nfine +Live +0 B .*\n$/);
  });
  assert.match(await top('agents', '-l', 'role=fine'), /^NAME .*\nfine .*\n$/);
  assert.match(await top('entries', '--sort', 'name'), /\narrived .*\nlarge .*\nsmall .*\n$/);
});

const hasScript = spawnSync('script', ['--version']).status === 0;

test('in a terminal top updates itself, a key sorts, and q restores the terminal', {
  skip: !hasScript,
}, async (t: TestContext) => {
  await using on = await fleet();
  const command = `stty cols 160 rows 30; '${process.execPath}' '${main}' --controller ${on.controller.address} top entries --interval 100ms; echo ended $?`;
  const child = spawn('script', ['-qfc', command, '/dev/null'], {
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, TERM: 'xterm', SHELL: '/bin/sh' },
  });
  t.after(() => child.kill());
  let shown = '';
  child.stdout.on('data', (data: Buffer) => {
    shown += data.toString();
  });
  const closed = new Promise((resolve) => child.once('close', resolve));
  /** The names in the last complete frame, in their order. */
  const names = () => {
    const frame =
      shown
        .split('\x1b[H')
        .filter((text) => text.includes('\x1b[J'))
        .at(-1) ?? '';
    return frame
      .split('\r\n')
      .slice(3)
      .map((line) => line.split(' ')[0]);
  };
  await eventually(() => assert.deepEqual(names(), ['large', 'small', 'arrived']), { timeoutMs: 30_000 });
  assert.match(shown, /2 agents, 0 lost, 7\.8 KiB behind/);
  // An arrow key: its sequence begins with Escape.
  child.stdin.write('\x1b[B');
  child.stdin.write('n');
  await eventually(() => assert.deepEqual(names(), ['arrived', 'large', 'small']));
  await on.controller.api.call('EntryService', 'DeleteEntry', { name: 'entries/large' });
  await eventually(() => assert.deepEqual(names(), ['arrived', 'small']));
  child.stdin.write('q');
  await closed;
  assert.match(shown.slice(shown.lastIndexOf('\x1b[?25h\x1b[?1049l')), /ended 0\r\n$/);
});
