import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { ending, hello, next } from '../support/agent-streams.ts';
import { startAgent } from '../support/agents.ts';
import { type Asking, allOf, readStream } from '../support/ask-streams.ts';
import { assemble } from '../support/assemble.ts';
import { startController } from '../support/controllers.ts';
import { eventually } from '../support/eventually.ts';
import {
  agentOf,
  agentStatus,
  createFleet,
  type FleetFixture,
  waitUntilAcknowledged,
} from '../support/fleet-fixture.ts';
import type { Stream } from '../support/grpc-client.ts';
import { startWriter } from '../support/line-writer.ts';
import { runProcess } from '../support/process.ts';
import { createTopic, newTopic, readTopic } from '../support/topics.ts';

/** The outcome of a request, by agent. */
async function outcomes(stream: Stream): Promise<Record<string, string>> {
  const answers = (await allOf(stream)).filter(({ agent }) => agent !== '');
  return Object.fromEntries(answers.map(({ agent, error }) => [agent, error?.code ?? 'answered']));
}

const cli = ({ controller }: Pick<FleetFixture, 'controller'>, ...args: string[]) =>
  runProcess('cli/main.ts', ['--controller', controller.address, ...args]);

test('an agent that hangs is reported as timed out, and does not delay the responses of others', async () => {
  await using on = await createFleet();
  const { dir, controller } = on;
  await using other = await startController(on.etcd, on.prefix);
  await using hung = agentOf(on, 'hung');
  await using _well = agentOf(on, 'well');
  await using _third = agentOf({ ...on, controller: other }, 'third');
  const rules = { paths: [dir.at('*.log')], topic: newTopic(), start: 'beginning' };
  const entry = await controller.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: rules });
  for (const id of ['hung', 'well', 'third']) await waitUntilAcknowledged(on, id, entry);
  process.kill(hung.pid, 'SIGSTOP');
  const ask = (from: typeof controller, method: string, request: object) =>
    from.api.stream('FleetService', method, { timeout_ms: 1_500, ...request });
  const expected = { 'agents/hung': 'CODE_DEADLINE_EXCEEDED', 'agents/well': 'answered', 'agents/third': 'answered' };
  const preview = { entry: rules, watch_ms: 100 };
  // At any controller, and while the first request still waits for the agent.
  const asked = [controller, other].flatMap((from) => [
    outcomes(ask(from, 'PreviewEntry', preview)),
    outcomes(ask(from, 'RestartEntry', { name: 'entries/app' })),
  ]);
  for (const outcome of await Promise.all(asked)) assert.deepEqual(outcome, expected);
  const bundle = allOf(ask(other, 'GetDiagnostics', { name: 'agents/hung' }));
  await assert.rejects(bundle, /DEADLINE_EXCEEDED.*agents\/hung: the agent did not respond within/);
  const tap = readStream(ask(other, 'TapEntry', { name: 'entries/app' }));
  const heard = (agent: string) => tap.messages.some((message) => message.agent === agent && message.part);
  await eventually(() => assert.ok(heard('agents/well') && heard('agents/third')));
  await writeFile(dir.at('a.log'), 'a line\n');
  await eventually(() => {
    const lines = tap.messages.flatMap(({ agent, part }) =>
      (part?.lines ?? []).map(({ line }: Asking) => `${agent} ${line}`),
    );
    assert.deepEqual(lines.sort(), ['agents/third a line', 'agents/well a line']);
  });
  await eventually(() => {
    const failed = tap.messages.filter(({ error }) => error);
    assert.deepEqual(
      failed.map(({ agent, error }) => [agent, error.code]),
      [['agents/hung', 'CODE_DEADLINE_EXCEEDED']],
    );
  });
  tap.cancel();
  process.kill(hung.pid, 'SIGCONT');
  // The requests it finds then were cancelled, so it works as well as the others.
  await eventually(async () => {
    const now = await outcomes(ask(other, 'PreviewEntry', preview));
    assert.deepEqual(now, { ...expected, 'agents/hung': 'answered' });
  });
});

test('agents of a controller that hangs are reported as unreachable, and agents of other controllers respond', async () => {
  await using on = await createFleet();
  const { dir, controller } = on;
  await using other = await startController(on.etcd, on.prefix);
  await using _well = agentOf(on, 'well');
  await using far = agentOf({ ...on, controller: other }, 'far');
  await far.logged('connected to the controller');
  const entry = { paths: [dir.at('*.log')], topic: 't' };
  const preview = () =>
    outcomes(controller.api.stream('FleetService', 'PreviewEntry', { entry, watch_ms: 1, timeout_ms: 500 }));
  const answered = { 'agents/well': 'answered', 'agents/far': 'answered' };
  await eventually(async () => assert.deepEqual(await preview(), answered));
  process.kill(other.process.pid, 'SIGSTOP');
  assert.deepEqual(await preview(), { ...answered, 'agents/far': 'CODE_UNAVAILABLE' });
});

test("agents that can't respond, respond too much, or respond to no request harm only themselves", async () => {
  await using on = await createFleet();
  const { controller } = on;
  const { api } = controller;
  await using _well = agentOf(on, 'well');
  const able = { capabilities: ['tap', 'preview', 'restart', 'log_level', 'diagnostics'] };
  const old = hello(api.stream('AgentService', 'Connect'), 'old');
  const loud = hello(api.stream('AgentService', 'Connect'), 'loud', able);
  const mad = hello(api.stream('AgentService', 'Connect'), 'mad', able);
  await Promise.all([old, loud, mad].map(next));
  const rules = { paths: ['/none/*.log'], topic: await createTopic(on.kafka) };
  const entry = await api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: rules });
  await waitUntilAcknowledged(on, 'well', entry);
  const flood = (async () => {
    const lines = [{ line: Buffer.alloc(500_000) }];
    for await (const { ask } of loud as AsyncIterable<Asking>)
      for (let part = 0; ask && part < 20; part++) loud.write({ answer: { id: ask.id, tap: { lines } } });
  })();
  flood.catch(() => {});
  const gone = ending(mad);
  for (let part = 0; part < 20; part++)
    mad.write({ answer: { id: 99, tap: { lines: [{ line: Buffer.alloc(500_000) }] } } });
  assert.match((await gone).details, /answer: no request is open with this id/);
  const answers = await outcomes(api.stream('FleetService', 'RestartEntry', { name: 'entries/app' }));
  assert.deepEqual(answers, {
    'agents/old': 'CODE_UNIMPLEMENTED',
    'agents/loud': 'CODE_RESOURCE_EXHAUSTED',
    'agents/well': 'answered',
  });
  const tap = readStream(api.stream('FleetService', 'TapEntry', { name: 'entries/app' }));
  await eventually(() => {
    const failed = tap.messages.filter(({ error }) => error).map(({ agent, error }) => [agent, error.code]);
    assert.deepEqual(failed.sort(), [
      ['agents/loud', 'CODE_RESOURCE_EXHAUSTED'],
      ['agents/old', 'CODE_UNIMPLEMENTED'],
    ]);
  });
  tap.cancel();
  const { code, stderr } = await cli(on, 'diagnostics', 'agent', 'old');
  assert.equal(code, 1);
  assert.match(stderr, /agents\/old: version .* of the agent does not support this request: upgrade the agent/);
  old.cancel();
  loud.cancel();
});

test('an entry that is restarted repeatedly delivers each line once, also of a file deleted meanwhile', async () => {
  await using on = await createFleet();
  const { dir, kafka, controller } = on;
  await using agent = agentOf(on, 'web-1');
  await agent.logged('connected to the controller');
  await mkdir(dir.at('logs'));
  const writers = ['x', 'y', 'deleted'].map((name) => startWriter(dir.at('logs', `${name}.log`)));
  const topic = newTopic();
  const rules = { paths: [dir.at('logs', '*.log')], topic, start: 'beginning' };
  const entry = await controller.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: rules });
  await waitUntilAcknowledged(on, 'web-1', entry);
  for (let restart = 0; restart < 10; restart++) {
    const { code, stdout, stderr } = await cli(on, 'restart', 'entry', 'app');
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^entry\/app restarted on web-1, [123] files\n$/);
    if (restart === 4) {
      await writers[2]?.stop();
      await rm(dir.at('logs', 'deleted.log'));
    }
  }
  await Promise.all(writers.map((writer) => writer.stop()));
  await eventually(async () => {
    const files = [...assemble(await readTopic(kafka, topic)).values()];
    const contents = new Map(files.map(({ path, bytes }) => [path, bytes]));
    for (const [index, name] of ['x', 'y', 'deleted'].entries())
      assert.deepEqual(contents.get(dir.at('logs', `${name}.log`)), writers[index]?.bytes, name);
    assert.equal(files.length, 3);
  });
  const none = await cli(on, 'restart', 'entry', 'none');
  assert.deepEqual([none.code, none.stderr], [1, 'error: there is no entries/none\n']);
  const nobody = await cli(on, 'restart', 'entry', 'app', '-l', 'agent=nobody');
  assert.deepEqual([nobody.code, nobody.stderr], [0, 'warning: no agent matches entry app and agent=nobody\n']);
});

test("an agent's log level is set for some time, and its diagnostics have no secrets", async () => {
  await using on = await createFleet();
  const { dir, controller } = on;
  const login = ['--kafka.sasl.mechanism', 'plain', '--kafka.sasl.username', 'me', '--kafka.sasl.password', 'geheim'];
  await using agent = startAgent({
    id: 'web-1',
    controller: controller.address,
    kafka: on.kafka,
    state: dir.at('state'),
    args: login,
  });
  await agent.logged('connected to the controller');
  await writeFile(dir.at('a.log'), 'a line that nobody may see\n');
  const rules = { paths: [dir.at('*.log')], topic: newTopic(), start: 'beginning' };
  await controller.api.call('EntryService', 'CreateEntry', { entry_id: 'app', entry: rules });
  const set = await cli(on, 'loglevel', 'agent', 'web-1', 'debug', '--for', '500ms');
  assert.deepEqual(set.stdout, 'agent/web-1 logs debug (was info), info again in 0.5 s\n', set.stderr);
  await agent.logged('the log level was set');
  await agent.logged('the log level was reset to the configured one');
  const wrong = await cli(on, 'loglevel', 'agent/web-1', 'loud');
  assert.match(wrong.stderr, /level: "loud" is not a level: give one of debug, info, warn, error/);
  assert.equal(wrong.code, 1);
  await eventually(async () => assert.equal((await agentStatus(on, 'web-1')).files.length, 1));
  // The output is binary, so `runProcess` can't be used.
  const bundle = await allOf(controller.api.stream('FleetService', 'GetDiagnostics', { name: 'agents/web-1' }));
  await writeFile(dir.at('bundle.tar.gz'), Buffer.concat(bundle.map(({ data }) => data)));
  await mkdir(dir.at('bundle'));
  execFileSync('tar', ['xzf', dir.at('bundle.tar.gz'), '-C', dir.at('bundle')]);
  const read = async (name: string) => readFile(dir.at('bundle', name), 'utf8');
  const config = JSON.parse(await read('config.json'));
  assert.deepEqual([config.id, config.kafka.sasl.username, config.kafka.sasl.password], ['web-1', 'me', '********']);
  const names = ['about', 'config', 'health', 'entries', 'sources', 'facts', 'runtime'].map((name) => `${name}.json`);
  const texts = await Promise.all([...names, 'log.txt'].map(read));
  for (const text of texts) assert.doesNotMatch(text, /geheim|nobody may see/);
  const about = JSON.parse(await read('about.json'));
  assert.equal(about.versions.node, process.versions.node);
  assert.match(
    await read('log.txt'),
    /"message":"the log level was set","program":"logfleet-agent","logLevel":"debug"/,
  );
  const { sources } = JSON.parse(await read('sources.json'));
  assert.deepEqual(
    sources.map(({ path, size, position }: Asking) => [path, size, position]),
    [[dir.at('a.log'), 27, 0]],
  );
  const { eventLoop, heap } = JSON.parse(await read('runtime.json'));
  assert.ok(eventLoop.delayMs.p99 > 0 && heap.used_heap_size > 0);
  const away = await cli(on, 'diagnostics', 'agent', 'nobody');
  assert.deepEqual([away.code, away.stdout], [1, '']);
  assert.match(away.stderr, /there is no agents\/nobody/);
});
