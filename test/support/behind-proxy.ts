import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { type Kafka, startKafka } from '../../stack/kafka.ts';
import { assemble } from './assemble.ts';
import { eventually } from './eventually.ts';
import { startProcess, type TestProcess } from './process.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';
import { type TempDir, tempDir } from './temp-dir.ts';
import { countRecords, readTopic } from './topics.ts';

const PATIENCE = { timeoutMs: 60_000 };

/** A broker for one test, which agents reach through a proxy and the test directly. */
export interface BehindProxy extends AsyncDisposable {
  dir: TempDir;
  kafka: Kafka;
  proxy: TcpProxy;
  /** Its address without the proxy. */
  direct: readonly string[];
  /** Starts an agent that collects `NAME.log`. */
  startAgent(name: string, topic: string, ...args: string[]): Promise<TestProcess>;
  /** Waits until the topic has more than this many additional records. */
  flowing(topic: string, more: number): Promise<void>;
  /**
   * Waits until the topic has this many records, and asserts that they are these bytes, each once.
   */
  isWhole(topic: string, bytes: Buffer | string, lines: number, agent: TestProcess): Promise<void>;
}

/** Its producer ids expire a second after their last use. */
export async function startBehindProxy(): Promise<BehindProxy> {
  const dir = await tempDir('behind-proxy');
  const proxy = await startTcpProxy();
  const config = { 'producer.id.expiration.ms': '1000', 'producer.id.expiration.check.interval.ms': '200' };
  const kafka = await startKafka({ dataDir: dir.at('kafka'), advertisedPorts: [proxy.port], config });
  proxy.targetPort = Number((kafka.bootstrap[0] as string).split(':')[1]);
  const properties = await readFile(dir.at('kafka/broker-1/server.properties'), 'utf8');
  const internal = /^advertised\.listeners=.*INTERNAL:\/\/([\d.:]+)/m.exec(properties)?.[1];
  const direct = [internal as string];
  return {
    ...{ dir, kafka, proxy, direct },
    startAgent: async (name, topic, ...more) => {
      const entries = [{ name: 'a', paths: [dir.at(`${name}.log`)], topic, start: 'beginning' }];
      await writeFile(dir.at(`${name}.yaml`), JSON.stringify({ entries }));
      const args = ['--entries', dir.at(`${name}.yaml`), '--kafka', `127.0.0.1:${proxy.port}`];
      return startProcess('agent/main.ts', [...args, '--state', dir.at(name), '--scan-interval', '500ms', ...more]);
    },
    flowing: async (topic, more) => {
      const from = await countRecords(direct, topic);
      await eventually(async () => assert.ok((await countRecords(direct, topic)) > from + more), PATIENCE);
    },
    isWhole: async (topic, bytes, lines, agent) => {
      await eventually(async () => assert.equal(await countRecords(direct, topic), lines, agent.stderr()), PATIENCE);
      const [only] = [...assemble(await readTopic(direct, topic)).values()];
      assert.equal(only?.bytes.toString(), bytes.toString());
    },
    [Symbol.asyncDispose]: async () => {
      await proxy.stop();
      await kafka.stop();
      await dir[Symbol.asyncDispose]();
    },
  };
}
