import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { test } from 'node:test';
import { Etcd3 } from 'etcd3';
import { parse as parseYaml } from 'yaml';
import { startAgent } from '../../support/agents.ts';
import { newPrefix, startController } from '../../support/controllers.ts';
import { eventually } from '../../support/eventually.ts';
import { runProcess } from '../../support/process.ts';
import { sharedEtcd, sharedKafka } from '../../support/servers.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { countRecords, createTopic } from '../../support/topics.ts';

interface Shown {
  name: string;
  paths: string[];
  topic: string;
  selector?: string;
  labels?: Record<string, string>;
}

/** An etcd with the course's keys below a new prefix, and a controller without entries. */
async function courseGround(keys: Record<string, string>) {
  const etcd = await sharedEtcd();
  const controller = await startController(etcd, newPrefix());
  const base = newPrefix();
  const client = new Etcd3({ hosts: etcd });
  for (const [key, value] of Object.entries(keys)) await client.put(base + key).value(value);
  const run = (...args: string[]) => runProcess('cli/main.ts', args, { LOGFLEET_CONTROLLER: controller.address });
  return {
    etcd,
    controller,
    base,
    put: (key: string, value: string) => client.put(base + key).value(value),
    run,
    entries: async (): Promise<Shown[]> => {
      const { stdout } = await run('get', 'entries', '-o', 'yaml');
      return (parseYaml(stdout) as { entries: Shown[] }).entries;
    },
    [Symbol.asyncDispose]: async () => {
      client.close();
      await controller[Symbol.asyncDispose]();
    },
  };
}

const outcomes = (stdout: string) => stdout.split('\n').flatMap((line) => /^entry\/\S+ (.*?): /.exec(line)?.[1] ?? []);

test('a list in a key becomes entries; importing again changes only the imported fields', async () => {
  const value = `[{"path":"/var/log/nginx.log","topic":"nginx_log"},
    {"path":"/srv/app/logs/app[1].log", "topic":"app_log", "service":"shop", "send_rate":1000},
    {"path":"/var/log/nginx.log","topic":"nginx_log"}, {"path":"/var/log/nginx.log","topic":"copy"}]`;
  await using on = await courseGround({ collect_config: value });
  const load = (...more: string[]) =>
    on.run('import', 'course-json', '--key', `${on.base}collect_config`, '--etcd', on.etcd, ...more);
  const dry = await load('--dry-run');
  assert.deepEqual([dry.code, outcomes(dry.stdout)], [0, Array(3).fill('created (dry run)')], dry.stderr);
  assert.deepEqual((await on.run('get', 'entries', '-o', 'name')).stdout, '');
  const first = await load();
  assert.deepEqual([first.code, outcomes(first.stdout)], [0, Array(3).fill('created')], first.stderr);
  assert.match(first.stdout, /entry\/nginx-[0-9a-f]{8} created: \/var\/log\/nginx\.log to nginx_log, every agent\n/);
  assert.match(first.stderr, /collect_config\[1\]: send_rate: entries have no limit in lines per second: ignored/);
  assert.match(
    first.stderr,
    /collect_config\[2\]: \/var\/log\/nginx\.log to nginx_log occurs twice: it is converted once/,
  );
  const made = await on.entries();
  const app = made.find(({ topic }) => topic === 'app_log') as Shown;
  const { stdout: kept } = await on.run('history', 'entry', app.name, '-o', 'json');
  assert.equal(JSON.parse(kept).versions[0].change_reason, 'import course-json');
  assert.deepEqual(app.paths, ['/srv/app/logs/app\\[1\\].log']);
  assert.deepEqual(app.labels, { 'imported-from': 'course-json', service: 'shop' });
  await on.run('pause', 'entry', app.name);
  const again = await load();
  assert.deepEqual([again.code, outcomes(again.stdout)], [0, Array(3).fill('unchanged')]);
  await on.put('collect_config', value.replaceAll('"app_log"', '"other"'));
  const changed = await load();
  assert.deepEqual(outcomes(changed.stdout), ['unchanged', 'configured', 'unchanged']);
  const now = (await on.entries()).find(({ name }) => name === app.name) as Shown & { paused: boolean };
  assert.deepEqual([now.topic, now.paused], ['other', true]);
});

test('with one key per host, names become host=NAME, addresses are looked up among the agents, and --host-label selects another label', async () => {
  const list = (name: string) => JSON.stringify([{ log_path: `/var/log/${name}.log`, topic: name }]);
  await using on = await courseGround({ 'web-17/conf': list('a'), '10.255.255.1/conf': list('b') });
  await using dir = await tempDir();
  const kafka = await sharedKafka();
  await using agent = startAgent({ id: 'here', controller: on.controller.address, kafka, state: dir.at('state') });
  await agent.logged('connected to the controller');
  const { identity } = await eventually(() =>
    on.controller.api.call('FleetService', 'GetAgent', { name: 'agents/here' }),
  );
  const own = identity.addresses.find(isIPv4) as string;
  assert.ok(own, 'the machine has an address');
  await on.put(`${own}/conf`, list('c'));
  const load = (...more: string[]) =>
    on.run('import', 'course-json', '--key', `${on.base}%s/conf`, '--etcd', on.etcd, '-o', 'yaml', ...more);
  const selectors = (stdout: string) =>
    (parseYaml(stdout) as { entries: Shown[] }).entries.map(({ topic, selector }) => `${topic} ${selector}`).sort();
  const plain = await load('-l', 'env=prod');
  assert.deepEqual(selectors(plain.stdout), ['a host=web-17,env=prod', `c host=${identity.host},env=prod`]);
  assert.equal(plain.code, 1);
  assert.match(
    plain.stderr,
    /error: 1 of 3 can't be converted:\n.*10\.255\.255\.1\/conf\[0\]: no agent has the address 10\.255\.255\.1: start one/,
  );
  const labelled = await load('--host-label', 'ip');
  assert.deepEqual(selectors(labelled.stdout), ['a ip=web-17', 'b ip=10.255.255.1', `c ip=${own}`].sort());
  const one = await on.run('import', 'course-json', '--key', `${on.base}web-17/conf`, '--etcd', on.etcd, '-o', 'json');
  assert.equal(JSON.parse(one.stdout).entries[0].selector, undefined);
  assert.equal((await on.run('get', 'entries', '-o', 'name')).stdout, '', 'printing writes nothing');
});

test('items that can not be converted are reported with a reason, and the others are created', async () => {
  await using on = await courseGround({});
  await using dir = await tempDir();
  const list = [
    { path: 'D:\\tmp\\nginx.log', topic: 'a' },
    { path: './my.log', topic: 'a' },
    { path: '/ok.log', topic: 'a' },
    { path: '/x.log', 'topic:': 'a' },
    { path: '/y.log', topic: 'no such topic!' },
    'text',
  ];
  await writeFile(dir.at('list.json'), JSON.stringify(list));
  await writeFile(dir.at('broken.json'), '[{"path":"D:\\log1","topic":"a"}]');
  const files = ['-f', dir.at('list.json'), dir.at('broken.json')];
  const { code, stdout, stderr } = await on.run('import', 'course-json', ...files, '--start', 'beginning');
  assert.deepEqual([code, outcomes(stdout)], [1, ['created']]);
  for (const reason of [
    /error: 6 of 7 can't be converted:/,
    /list\.json\[0\]: "D:\\\\tmp\\\\nginx\.log" is a Windows path/,
    /list\.json\[1\]: "\.\/my\.log" is not absolute: give --base-dir/,
    /list\.json\[3\]: has no topic; it has "path", "topic:"/,
    /list\.json\[4\]: topic: "no such topic!" is not a Kafka topic name/,
    /list\.json\[5\]: expected \{"path": …, "topic": …\}, found "text"/,
    /broken\.json: is not JSON: .*; write a backslash twice in JSON/,
  ])
    assert.match(stderr, reason);
  const based = await on.run('import', 'course-json', ...files, '--base-dir', '/opt/agent', '-o', 'json');
  const paths = (JSON.parse(based.stdout).entries as Shown[]).map((entry) => entry.paths[0]);
  assert.deepEqual(paths, ['/opt/agent/my.log', '/ok.log']);
  const cases: [string[], number, RegExp][] = [
    [['course-json'], 2, /give the list: --key in etcd, or -f/],
    [['course-json', '--key', '/none', '--etcd', on.etcd], 1, /has no key \/none/],
    [['course-json', '--key', '/k', '--etcd', '127.0.0.1:1'], 3, /can't read \/k from etcd at 127\.0\.0\.1:1/],
    [['ini', '-f', dir.at('none.ini')], 2, /can't read .*none\.ini/],
  ];
  for (const [args, expected, message] of cases) {
    const outcome = await on.run('import', ...args);
    assert.equal(outcome.code, expected, outcome.stderr);
    assert.match(outcome.stderr, message);
  }
});

test('an ini file becomes an entry, as does the key it names, and an agent collects both', async () => {
  await using dir = await tempDir();
  const kafka = await sharedKafka();
  const [topic, other] = [await createTopic(kafka), await createTopic(kafka)];
  await writeFile(dir.at('my.log'), 'one\ntwo\n');
  await writeFile(dir.at('other.log'), 'three\n');
  await using on = await courseGround({ conf: JSON.stringify([{ path: dir.at('other.log'), topic: other }]) });
  const ini = `; made on Windows\r\n[kafka]\r\naddress=127.0.0.1:9092\r\ntopic=${topic}\r\nchan_max_size=1000\r\n
[etcd]\r\naddress=${on.etcd.replace('http://', '')}\r\ntimeout=5\r\ncollect_log_key=${on.base}conf # for all\r\n[taillog]\r\nfilename=./my.log\r\n`;
  await writeFile(dir.at('conf.ini'), ini);
  const load = ['import', 'ini', '-f', dir.at('conf.ini'), '--base-dir', dir.path, '--start', 'beginning'];
  const first = await on.run(...load);
  assert.deepEqual([first.code, outcomes(first.stdout)], [0, ['created', 'created']], first.stderr);
  assert.match(first.stderr, /brokers are a setting of the agents: --kafka 127\.0\.0\.1:9092/);
  assert.match(first.stderr, /kafka\.chan_max_size is not needed: ignored/);
  assert.deepEqual(outcomes((await on.run(...load)).stdout), ['unchanged', 'unchanged']);
  await using agent = startAgent({ id: 'a', controller: on.controller.address, kafka, state: dir.at('state') });
  await agent.logged('connected to the controller');
  await eventually(async () =>
    assert.deepEqual([await countRecords(kafka, topic), await countRecords(kafka, other)], [2, 1]),
  );
});
