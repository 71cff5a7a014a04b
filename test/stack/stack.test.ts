import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { test } from 'node:test';
import { startEtcd } from '../../stack/etcd.ts';
import { startKafka } from '../../stack/kafka.ts';
import { startLocalProcess } from '../../stack/local-process.ts';
import { serversFromEnv, startStack } from '../../stack/start-stack.ts';
import { requireTool } from '../../stack/tools.ts';
import { eventually } from '../support/eventually.ts';
import { runProcess, startProcess } from '../support/process.ts';
import { type TempDir, tempDir } from '../support/temp-dir.ts';
import { countRecords, createTopic, newTopic, topicNames } from '../support/topics.ts';

/** The processes whose command line contains a folder. */
async function processesAt(dir: TempDir): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return line.includes(dir.path) ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}

function isRunning(pid: number, program: string): boolean {
  return basename(readFileSync(`/proc/${pid}/comm`, 'utf8').trim()) === program;
}

const isLinux = { skip: process.platform === 'linux' ? false : 'looks into /proc' };

test(
  'npm run stack prints the addresses of its servers, and leaves no process after Ctrl-C or kill -9',
  isLinux,
  async () => {
    for (const signal of ['SIGINT', 'SIGKILL'] as const) {
      await using dir = await tempDir('stack');
      await using stack = startProcess('stack/main.ts', ['--data', dir.path], { ETCD: '', KAFKA: '' });
      const [, etcd, kafka] = await eventually(
        () => {
          const match = /^etcd {3}(http:\S+)\nkafka {2}(\S+)\n/.exec(stack.stdout());
          assert.ok(match, stack.stderr());
          return match as unknown as [string, string, string];
        },
        { timeoutMs: 60_000 },
      );
      assert.ok((await fetch(`${etcd}/readyz`)).ok);
      await createTopic([kafka]);
      assert.ok((await processesAt(dir)).length >= 2);
      // npm forwards a terminal's Ctrl-C a second time.
      if (signal === 'SIGINT') process.kill(stack.pid, signal);
      await stack.kill(signal);
      await eventually(async () => assert.deepEqual(await processesAt(dir), []));
      if (signal === 'SIGINT') assert.equal((await stack.exited).code, 0);
    }
  },
);

test('a standalone agent beside npm run stack gets its topic created, as by a default Kafka', async () => {
  await using dir = await tempDir('alone');
  const stack = await startStack({ dataDir: dir.at('servers'), etcd: ['http://127.0.0.1:1'], autoCreateTopics: true });
  try {
    const topic = newTopic();
    await writeFile(dir.at('a.log'), 'one\ntwo\n');
    await writeFile(dir.at('entries.yaml'), JSON.stringify([{ name: 'a', paths: [dir.at('a.log')], topic }]));
    const flags = ['--entries', dir.at('entries.yaml'), '--kafka', stack.kafka.join(','), '--state', dir.at('state')];
    const { code, stderr } = await runProcess('agent/main.ts', [...flags, '--once']);
    assert.equal(code, 0, stderr);
    assert.equal(await countRecords(stack.kafka, topic), 2);
  } finally {
    await stack.stop();
  }
});

test(
  'the data of the stack survives a restart, and a port in use or a server that dies is reported',
  isLinux,
  async () => {
    await using dir = await tempDir('stack');
    const former = await startStack({ dataDir: dir.path });
    const topic = await createTopic(former.kafka);
    await former.stop();
    const stack = await startStack({ dataDir: dir.path });
    try {
      assert.ok((await topicNames(stack.kafka)).includes(topic));
      const [etcdPort, kafkaPort] = [...stack.etcd, ...stack.kafka].map((address) => Number(address.split(':').at(-1)));
      const others = { etcdPort: etcdPort as number, kafkaPort: kafkaPort as number };
      for (const [name, port] of Object.entries(others)) {
        await using other = await tempDir('other');
        await assert.rejects(startStack({ dataDir: other.path, [name]: port }), {
          code: 'PORT_TAKEN',
          message: `port ${port} cannot be used: choose another one`,
        });
      }
      const etcd = (await processesAt(dir)).find((pid) => isRunning(pid, 'etcd')) as number;
      process.kill(etcd, 'SIGKILL');
      await assert.rejects(stack.died, /etcd ended unexpectedly/);
    } finally {
      await stack.stop();
    }
  },
);

test('etcd and Kafka keep their data across a restart', async () => {
  await using dir = await tempDir('stack');
  const etcd = await startEtcd({ dataDir: dir.at('etcd') });
  const kafka = await startKafka({ dataDir: dir.at('kafka') });
  try {
    const call = async (method: string, body: object) => {
      const answer = await fetch(`${etcd.endpoint}/v3/kv/${method}`, { method: 'POST', body: JSON.stringify(body) });
      return (await answer.json()) as { kvs?: { value: string }[] };
    };
    const [key, value] = [btoa('key'), btoa('value')];
    await call('put', { key, value });
    const topic = await createTopic(kafka.bootstrap);
    for (const server of [etcd, ...kafka.brokers]) {
      await server.stop();
      await server.start();
    }
    assert.equal((await call('range', { key })).kvs?.[0]?.value, value);
    await assert.rejects(createTopicAgain(kafka.bootstrap, topic), /already exists/i);
  } finally {
    await Promise.all([etcd.stop(), kafka.stop()]);
  }
});

async function createTopicAgain(bootstrap: readonly string[], topic: string): Promise<void> {
  const { default: kafkajs } = await import('kafkajs');
  const admin = new kafkajs.Kafka({ brokers: [...bootstrap], logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const made = await eventually(() => admin.createTopics({ topics: [{ topic }] }));
    if (!made) throw new Error('already exists');
  } finally {
    await admin.disconnect();
  }
}

test('a missing tool is reported in one sentence that says what to install', async () => {
  const path = process.env['PATH'];
  process.env['PATH'] = '/nowhere';
  try {
    await assert.rejects(requireTool('mvn', 'fetching Kafka'), {
      code: 'MISSING_TOOL',
      message: /^fetching Kafka needs mvn, which is not on PATH: install Maven \(.*\)$/,
    });
  } finally {
    process.env['PATH'] = path;
  }
  await using dir = await tempDir();
  const env = { PATH: '/nowhere', ETCD: '127.0.0.1:1', KAFKA: '' };
  const { code, stderr } = await runProcess('stack/main.ts', ['--data', dir.path], env);
  assert.equal(code, 1);
  assert.match(stderr, /Apache Kafka \S+ needs java, which is not on PATH: install a JDK 17 or newer/);
});

test("the user's own servers are used when ETCD and KAFKA name them", () => {
  assert.deepEqual(serversFromEnv({}), {});
  assert.deepEqual(serversFromEnv({ ETCD: '', KAFKA: '' }), {});
  assert.deepEqual(serversFromEnv({ ETCD: 'a:2379,https://b:2379', KAFKA: 'k:9092' }), {
    etcd: ['http://a:2379', 'https://b:2379'],
    kafka: ['k:9092'],
  });
  assert.throws(
    () => serversFromEnv({ KAFKA: 'k:9092,nonsense' }),
    /KAFKA: "nonsense" is not an address: use HOST:PORT/,
  );
});

test('a server that exits at once is reported with its last output', async () => {
  await using dir = await tempDir();
  const server = await startLocalProcess({
    command: 'sh',
    args: ['-c', 'echo bad luck; exit 3'],
    logFile: dir.at('log'),
  });
  assert.equal(await server.exited, 3);
  await eventually(async () => assert.match(await server.lastLines(), /bad luck/));
});
