import kafkajs from 'kafkajs';
import { systemClock } from '../../runtime/clock.ts';
import { writtenAtNs } from '../inputs/line-writer.ts';
import type { Fixture } from '../measure/fixture.ts';
import { PARTITIONS } from '../measure/topic-end.ts';
import { TopicTail } from '../measure/topic-tail.ts';
import { type Delays, delaysOf } from './delays.ts';

const SEND_INTERVAL_MS = 10;
/** At the start, and not measured. */
const SETTLE_SECONDS = 3;
const FILLER = 'x'.repeat(168);

/** The delay of broker, consumer and clock alone: lines sent without a file or a collector. */
export function delayFloor(fixture: Fixture, linesPerSecond: number, seconds: number): Promise<Delays> {
  return fixture.withTopic(async (topic) => {
    const sinceNs = Number(process.hrtime.bigint());
    const nowNs = () => Number(process.hrtime.bigint()) - sinceNs;
    const fromNs = nowNs() + SETTLE_SECONDS * 1e9;
    const delaysMs: number[] = [];
    await using tail = await TopicTail.open(fixture.kafka, topic, (bytes, start) => {
      const atNs = writtenAtNs(bytes, start, sinceNs);
      if (atNs >= fromNs) delaysMs.push((nowNs() - atNs) / 1e6);
    });
    const kafka = new kafkajs.Kafka({ brokers: [fixture.kafka], logLevel: kafkajs.logLevel.ERROR });
    const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
    await producer.connect();
    const count = Math.round((linesPerSecond * SEND_INTERVAL_MS) / 1000);
    for (let sent = 0; nowNs() < fromNs + seconds * 1e9; sent++) {
      const value = `${String(process.hrtime.bigint()).padStart(20, '0')} ${FILLER}`;
      const messages = Array.from({ length: count }, () => ({ value, partition: sent % PARTITIONS }));
      await producer.send({ topic, messages });
      await systemClock.sleep(SEND_INTERVAL_MS);
    }
    await producer.disconnect();
    tail.check();
    return delaysOf(delaysMs);
  });
}
