// Reads a topic of logfleet's, prints each line once, and proves that none is missing. README.md
// beside this file says how to run it.

import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import kafkajs from 'kafkajs';
import { registerCodecs } from './codecs.ts';
import { Completeness } from './completeness.ts';

const HELP = `Usage: main.ts --topic TOPIC [--kafka HOST:PORT,…] [--follow]

Prints the lines of a topic to standard output, each line once: replays and duplicates are dropped.
Then reports to standard error, for each generation of a file, whether its lines are complete.

Options:
  --topic TOPIC           the topic of a collection entry
  --kafka HOST:PORT,…     brokers (default: LOGFLEET_KAFKA, or 127.0.0.1:9092)
  --follow                continue with new records; without it end at the topic's current end
  -h, --help

Exit code: 0 when no generation has a hole, 1 when one has, 2 for a usage error, 3 when Kafka fails.
`;

const NEWLINE = Buffer.from('\n');
const EMPTY = Buffer.alloc(0);

const options = parseOptions();

async function consume(topic: string): Promise<Completeness> {
  registerCodecs();
  const kafka = new kafkajs.Kafka({
    clientId: 'logfleet-example',
    brokers: options.kafka.split(','),
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { retries: 3 },
  });
  const completeness = new Completeness();
  const unread = options.follow ? undefined : await unreadOffsets(kafka, topic);
  if (unread?.size === 0) return completeness;
  // A group of its own: this consumer keeps what it has seen in memory, so it reads from the start.
  const consumer = kafka.consumer({ groupId: `logfleet-example-${randomUUID()}` });
  const end = Promise.withResolvers<void>();
  consumer.on(consumer.events.CRASH, ({ payload }) => end.reject(payload.error));
  process.once('SIGINT', () => end.resolve());
  process.once('SIGTERM', () => end.resolve());
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message: { offset, headers = {}, value } }) => {
      if (completeness.add(headers) === 'new') process.stdout.write(Buffer.concat([value ?? EMPTY, NEWLINE]));
      if (!unread) return;
      if (BigInt(offset) + 1n >= (unread.get(partition) ?? 0n)) unread.delete(partition);
      if (unread.size === 0) end.resolve();
    },
  });
  await end.promise.finally(() => consumer.disconnect());
  return completeness;
}

/** The offset that each partition must be read to, without the partitions that are empty. */
async function unreadOffsets(kafka: kafkajs.Kafka, topic: string): Promise<Map<number, bigint>> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const offsets = await admin.fetchTopicOffsets(topic);
    const filled = offsets.filter(({ low, high }) => BigInt(high) > BigInt(low));
    return new Map(filled.map(({ partition, high }) => [partition, BigInt(high)]));
  } finally {
    await admin.disconnect();
  }
}

function parseOptions() {
  try {
    return parseArgs({
      options: {
        topic: { type: 'string', default: '' },
        kafka: { type: 'string', default: process.env['LOGFLEET_KAFKA'] ?? '127.0.0.1:9092' },
        follow: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    process.stderr.write(`error: ${(error as Error).message}\n\n${HELP}`);
    process.exit(2);
  }
}

function report(completeness: Completeness): void {
  for (const { generation, path, host, start, end, holes } of completeness.generations()) {
    const found = holes.map((hole) => `${hole.start}-${hole.end}`).join(' ');
    const verdict = holes.length === 0 ? 'complete' : `HOLES ${found}`;
    process.stderr.write(`${host}:${path} generation=${generation} bytes=${start}-${end} ${verdict}\n`);
  }
  const { lines, duplicates, replays, foreign } = completeness.counts;
  process.stderr.write(`lines=${lines} duplicates=${duplicates} replays=${replays} foreign=${foreign}\n`);
}

if (options.help || options.topic === '') {
  (options.help ? process.stdout : process.stderr).write(HELP);
  process.exitCode = options.help ? 0 : 2;
} else {
  try {
    const completeness = await consume(options.topic);
    report(completeness);
    process.exitCode = completeness.isComplete ? 0 : 1;
  } catch (error) {
    const { message } = error as Error;
    process.stderr.write(`error: ${message}; is Kafka at ${options.kafka}, and does the topic exist? `);
    process.stderr.write('Give --kafka HOST:PORT, and see the topics with `logfleet get entries`\n');
    process.exitCode = 3;
  }
}
