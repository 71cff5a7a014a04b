import assert from 'node:assert/strict';
import { appendFile, writeFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { mountStateDisk } from '../chaos/state-disk.ts';
import { eventually } from '../support/eventually.ts';
import { startProcess } from '../support/process.ts';
import { sharedKafka } from '../support/servers.ts';
import { tempDir } from '../support/temp-dir.ts';
import { countRecords, createTopic, readTopic } from '../support/topics.ts';

const MANY = 300;

/**
 * An agent whose state is on a small disk of its own, and a log with one line, which is delivered;
 * undefined where no disk can be mounted.
 */
async function createStateDisk(t: TestContext, ...settings: string[]) {
  const kafka = await sharedKafka();
  const dir = await tempDir('state-disk');
  const disk = await mountStateDisk(dir.at('state'), (line) => t.diagnostic(line));
  t.after(async () => {
    await disk?.unmount();
    await dir[Symbol.asyncDispose]();
  });
  if (!disk) return undefined;
  const topic = await createTopic(kafka);
  const log = dir.at('a.log');
  await writeFile(log, '0\n');
  const entries = [{ name: 'a', paths: [log], topic, start: 'beginning' }];
  await writeFile(dir.at('entries.yaml'), JSON.stringify({ entries }));
  const own = ['--entries', dir.at('entries.yaml'), '--state', dir.at('state'), '--audit-topic', ''];
  const start = () => startProcess('agent/main.ts', [...own, '--kafka', kafka.join(','), ...settings]);
  const delivered = (count: number) =>
    eventually(async () => assert.equal(await countRecords(kafka, topic), count), { timeoutMs: 20_000 });
  const values = async () => (await readTopic(kafka, topic)).map(({ value }) => Number(value));
  return { disk, log, start, delivered, values };
}

// Catalogue 76 (beats #19408): a full disk, for any time.
test("while the state's disk is full lines wait; after that each arrives once, whether the agent ran on, was killed or was stopped", async (t) => {
  const on = await createStateDisk(t, '--drain-timeout', '1s');
  if (!on) return t.skip('needs the right to mount a tmpfs');
  {
    await using agent = on.start();
    await on.delivered(1);
    await on.disk.fill();
    for (let line = 1; line <= MANY; line++) await appendFile(on.log, `${line}\n`);
    await agent.logged("the agent's state can't be written");
    const { error } = await agent.logged('delivery is held up');
    assert.match(String(error), /checkpoints\.db can't be used: database or disk is full/);
    await on.disk.free();
    await on.delivered(MANY + 1);
    await agent.kill('SIGTERM');
    assert.equal((await agent.exited).code, 0, agent.stderr());
  }
  let written = MANY + 1;
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await using agent = on.start();
    await agent.logged('agent started');
    await on.disk.fill();
    await appendFile(on.log, `${written++}\n`);
    await agent.logged('delivery is held up');
    await agent.kill(signal);
    if (signal === 'SIGTERM') assert.equal((await agent.exited).code, 1, 'what it knows is not on the disk');
    await on.disk.free();
  }
  await using agent = on.start();
  await on.delivered(written);
  const lines = Array.from({ length: written }, (_, line) => line);
  assert.deepEqual(await on.values(), lines);
  await agent.kill('SIGTERM');
});

test("an agent that starts while its state's disk is full reports it, and collects once there is space", async (t) => {
  const on = await createStateDisk(t);
  if (!on) return t.skip('needs the right to mount a tmpfs');
  await on.disk.fill();
  await using agent = on.start();
  const { error, remedy } = await agent.logged("cannot open the agent's state; nothing is collected until it opens");
  assert.match(String(error), /checkpoints\.db can't be used: database or disk is full/);
  assert.match(String(remedy), /free space/);
  await on.disk.free();
  await on.delivered(1);
  await agent.kill('SIGTERM');
  assert.equal((await agent.exited).code, 0, agent.stderr());
});

test("with state_failure: deliver, lines are delivered while the state's disk is full", async (t) => {
  const on = await createStateDisk(t, '--state-failure', 'deliver');
  if (!on) return t.skip('needs the right to mount a tmpfs');
  await using agent = on.start();
  await on.delivered(1);
  await on.disk.fill();
  for (let line = 1; line <= MANY; line++) await appendFile(on.log, `${line}\n`);
  await agent.logged("the agent's state can't be written");
  await on.delivered(MANY + 1);
  await on.disk.free();
});
