import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { z } from 'zod';
import { loadConfig } from '../../runtime/config.ts';
import { byteSize, duration, flag, hostPort, pairs } from '../../runtime/config-leaves.ts';
import type { ConfigSpec } from '../../runtime/config-spec.ts';
import { tempDir } from '../support/temp-dir.ts';

const schema = z.strictObject({
  name: z.string().default('x').describe('a name'),
  labels: pairs().default({}).describe('labels'),
  kafka: z.strictObject({ brokers: z.array(hostPort()).min(1, 'give one').describe('brokers') }).prefault({} as never),
  every: duration('100ms').prefault('5s').describe('how often'),
  memory: byteSize().prefault('64MiB').describe('how much'),
  once: flag().default(false).describe('only once'),
  password: z.string().optional().describe('a secret'),
  log_level: z.string().default('info').describe('the log level'),
});
const spec: ConfigSpec<typeof schema> = {
  program: 'logfleet-thing',
  summary: 'Does a thing.',
  schema,
  aliases: { kafka: 'kafka.brokers', label: 'labels' },
  examples: ['logfleet-thing --kafka a:1'],
};

function run(argv: string[], env: NodeJS.ProcessEnv = {}) {
  const outcome = loadConfig(spec, argv, env);
  assert.equal(outcome.kind, 'run');
  return (outcome as { config: z.output<typeof schema> }).config;
}

function problems(argv: string[], env: NodeJS.ProcessEnv = {}): string[] {
  try {
    loadConfig(spec, argv, env);
  } catch (error) {
    assert.equal((error as { code: string }).code, 'INVALID');
    return (error as Error).message.split('\n');
  }
  throw new Error('the configuration was accepted');
}

test('flags take precedence over variables, variables over the file, the file over defaults', async () => {
  await using dir = await tempDir();
  await writeFile(dir.at('c.yaml'), 'name: file\nevery: 1m\nmemory: 1GiB\nkafka: {brokers: ["f:1"]}\n');
  const env = { LOGFLEET_THING_NAME: 'variable', LOGFLEET_THING_EVERY: '2s' };
  const config = run(['--config', dir.at('c.yaml'), '--name=flag'], env);
  assert.deepEqual([config.name, config.every, config.memory, config.once], ['flag', 2_000, 2 ** 30, false]);
  assert.deepEqual(config.kafka.brokers, ['f:1']);
});

test('lists and maps are set by one flag or by several, and by short flags', () => {
  const config = run(['--kafka', 'a:1,b:2', '--kafka', 'c:3', '--label', 'env=prod', '--label', 'role=web', '--once']);
  assert.deepEqual(config.kafka.brokers, ['a:1', 'b:2', 'c:3']);
  assert.deepEqual([config.labels, config.once], [{ env: 'prod', role: 'web' }, true]);
  for (const flag of ['--log-level', '--log_level'])
    assert.equal(run(['--kafka', 'a:1', flag, 'debug']).log_level, 'debug');
});

test('unknown settings and invalid values are all reported, with path, origin and reason', async () => {
  await using dir = await tempDir();
  await writeFile(dir.at('c.yaml'), 'nam: x\nkafka: {brokers: [a], broker: b}\nevery: 5\n');
  const file = dir.at('c.yaml');
  assert.deepEqual(problems(['--config', file]).sort(), [
    `every (${file}): expected a duration such as "5s" or "250ms"`,
    `kafka.broker (${file}): unknown setting; see --help`,
    `kafka.brokers.0 (${file}): expected HOST:PORT`,
    `nam (${file}): unknown setting; see --help`,
  ]);
  assert.deepEqual(problems(['--kafka', 'a:1', '--every', '5 parsecs', '--nope', '1'], { LOGFLEET_THING_NAMES: 'x' }), [
    '--nope: unknown flag; see --help',
    'LOGFLEET_THING_NAMES: unknown setting; see --help',
    'every (--every): expected a duration such as "5s" or "250ms"',
  ]);
  assert.deepEqual(problems([]), ['kafka.brokers: is required: brokers']);
  assert.deepEqual(problems(['--kafka', 'a:65536', '--every', '0s']), [
    'kafka.brokers.0 (--kafka): expected HOST:PORT',
    'every (--every): 0s is too small: use at least 100ms',
  ]);
  const links = ['SERVICE_HOST', 'SERVICE_PORT', 'SERVICE_PORT_GRPC', 'PORT', 'PORT_7070_TCP', 'PORT_7070_TCP_ADDR'];
  const service = Object.fromEntries(links.map((name) => [`LOGFLEET_THING_${name}`, 'tcp://10.0.0.1:7070']));
  assert.equal(run(['--kafka', 'a:1'], service).name, 'x', 'variables of a Kubernetes Service are not settings');
  assert.deepEqual(problems(['--kafka', 'a:1', 'word', '--label', 'env']), [
    'word: unexpected argument: settings begin with "--"; see --help',
    'labels (--label): expected KEY=VALUE,…',
  ]);
  assert.deepEqual(problems(['--kafka', 'a:1', '--name']), ['--name: the value is missing']);
  assert.match(problems(['--kafka', 'a:1', '--config', dir.at('none.yaml')])[0] as string, /none\.yaml: .*ENOENT/);
  await writeFile(dir.at('list.yaml'), '- a\n');
  assert.match(
    problems(['--kafka', 'a:1', '--config', dir.at('list.yaml')])[0] as string,
    /expected a map of settings/,
  );
});

test('a word for a boolean is refused, and the error names the values that are accepted', async () => {
  await using dir = await tempDir();
  const expected = 'expected true or false, without quotes, found';
  await writeFile(dir.at('c.yaml'), 'kafka: {brokers: ["a:1"]}\nonce: yes\n');
  assert.deepEqual(problems(['--config', dir.at('c.yaml')]), [`once (${dir.at('c.yaml')}): ${expected} "yes"`]);
  assert.deepEqual(problems(['--kafka', 'a:1', '--once=no']), [`once (--once): ${expected} "no"`]);
  const variable = { LOGFLEET_THING_ONCE: 'on' };
  assert.deepEqual(problems(['--kafka', 'a:1'], variable), [`once (LOGFLEET_THING_ONCE): ${expected} "on"`]);
  assert.equal(run(['--kafka', 'a:1', '--once=false']).once, false);
});

test('--help lists every setting; --print-config prints the settings in force without secrets', () => {
  const text = (argv: string[]) => (loadConfig(spec, argv, {}) as { text: string }).text;
  const help = text(['--help']);
  assert.match(help, /--kafka, --kafka\.brokers VALUE,…\n\s+brokers\n\s+LOGFLEET_THING_KAFKA_BROKERS/);
  assert.match(help, /--log-level VALUE\n\s+the log level/);
  assert.match(help, /--every VALUE\n\s+how often \(default: 5s\)/);
  assert.match(text(['--version']), /^logfleet-thing \d+\.\d+\.\d+\n$/);
  const printed = text([
    '--print-config',
    '--kafka',
    'a:1',
    '--memory=1GiB',
    '--label',
    'env=prod',
    '--password',
    'hush',
  ]);
  assert.match(printed, /^kafka:\n {2}brokers: \[ ?a:1 ?\] # --kafka$/m);
  assert.match(printed, /^password: "\*+" # --password$/m);
  assert.doesNotMatch(printed, /hush/);
});

test('the output of --print-config is a file with the same settings', async () => {
  await using dir = await tempDir();
  const argv = ['--kafka', 'a:1,b:2', '--memory=1GiB', '--label', 'env=prod', '--once', '--every', '250ms'];
  const print = (args: string[]) => (loadConfig(spec, ['--print-config', ...args], {}) as { text: string }).text;
  await writeFile(dir.at('c.yaml'), print(argv));
  assert.deepEqual(run(['--config', dir.at('c.yaml')]), run(argv));
  assert.match(print(['--config', dir.at('c.yaml')]), new RegExp(`^every: 250ms # ${dir.at('c.yaml')}$`, 'm'));
  await writeFile(dir.at('c.yaml'), 'kafka: {brokers: ["a:1"]}\nmemory: 67108864\n');
  assert.equal(run(['--config', dir.at('c.yaml')]).memory, 2 ** 26);
});
