import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KafkaBroker, startKafka } from '../../stack/kafka.ts';
import { createTopic, deleteTopic } from '../../test/support/topics.ts';
import type { LineKind } from '../inputs/line-kinds.ts';
import { type Input, writeInput } from '../inputs/write-input.ts';
import { PARTITIONS, TopicEnd } from './topic-end.ts';

/** What a run of the bench needs: a broker, and a folder for files. */
export interface Fixture extends AsyncDisposable {
  /** HOST:PORT of the broker. */
  readonly kafka: string;
  readonly broker: KafkaBroker;
  /** Makes a new, empty folder. */
  folder(name: string): Promise<string>;
  /** Calls `use` with a new topic whose leaders respond, and deletes the topic afterwards. */
  withTopic<T>(use: (topic: string, end: TopicEnd) => Promise<T>): Promise<T>;
  /** Returns files of this kind. Files that exist are used again. */
  input(name: string, kind: LineKind, files: number, bytes: number): Promise<Input>;
  /** Deletes the files of all inputs. */
  forgetInputs(): void;
}

/** The topic of the agent's facts. */
const AUDIT_TOPIC = 'logfleet.audit';

export async function startFixture(): Promise<Fixture> {
  const root = mkdtempSync(join(tmpdir(), 'logfleet-bench-'));
  const leave = () => rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  // After Ctrl-C, too. The servers end with this process.
  process.once('exit', leave);
  // Free the disk space of deleted topics soon.
  const config = { 'log.segment.delete.delay.ms': '1000' };
  const kafka = await startKafka({ dataDir: join(root, 'kafka'), config }, console.error);
  await createTopic(kafka.bootstrap, 1, { name: AUDIT_TOPIC });
  const inputs = new Map<string, Promise<Input>>();
  let folders = 0;
  return {
    kafka: kafka.bootstrap[0] as string,
    broker: kafka.brokers[0] as KafkaBroker,
    folder: async (name) => {
      const path = join(root, `${name}-${folders++}`);
      await mkdir(path);
      return path;
    },
    withTopic: async (use) => {
      const topic = await createTopic(kafka.bootstrap, PARTITIONS);
      try {
        using end = await TopicEnd.open(kafka.bootstrap[0] as string, topic);
        return await use(topic, end);
      } finally {
        await deleteTopic(kafka.bootstrap, topic);
      }
    },
    input: (name, kind, files, bytes) => {
      const key = `${name}-${files}-${bytes}`;
      const input = inputs.get(key) ?? writeInput(join(root, 'inputs', key), kind, files, bytes);
      inputs.set(key, input);
      return input;
    },
    forgetInputs: () => {
      inputs.clear();
      rmSync(join(root, 'inputs'), { recursive: true, force: true });
    },
    [Symbol.asyncDispose]: async () => {
      await kafka.stop();
      leave();
    },
  };
}
