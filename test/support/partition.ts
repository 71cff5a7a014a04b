import { KafkaCluster } from '../../agent/deliver/kafka-cluster.ts';
import { LineEncoder, lineFormat } from '../../agent/deliver/line-encoder.ts';
import type { OutgoingBatch, RecoveredBatch } from '../../agent/deliver/outgoing-batch.ts';
import { PartitionLedger } from '../../agent/deliver/partition-ledger.ts';
import { PartitionProducer } from '../../agent/deliver/partition-producer.ts';
import { checksumOf, encodeRecordBatch, type RecordBatch } from '../../agent/deliver/record-batch.ts';
import { RecordBuffer } from '../../agent/deliver/record-buffer.ts';
import { type IntentSegment, IntentStore, type OpenIntent } from '../../agent/state/intent-store.ts';
import { bindToMachine } from '../../agent/state/machine.ts';
import { StateDatabase } from '../../agent/state/state-database.ts';
import { systemClock } from '../../runtime/clock.ts';
import { createLogger } from '../../runtime/logger.ts';

const FORMAT = { host: 'h', entry: 'e', headers: 'standard', maxLineBytes: 1000 } as const;

/** A producer of one partition with its state, as one process of an agent has it; the next process begins with another. */
export class PartitionProcess implements AsyncDisposable {
  readonly state: StateDatabase;
  /** Whether the state is of this machine. */
  readonly own: boolean;
  readonly intents: IntentStore;
  readonly ledger: PartitionLedger;
  readonly producer: PartitionProducer;
  readonly open: readonly OpenIntent[];
  readonly cluster: KafkaCluster;
  readonly logged: string[] = [];
  /** The lines of batches, by number, as they were delivered, returned or built again. */
  readonly delivered: number[] = [];
  readonly returned: number[] = [];
  readonly built: number[] = [];

  constructor(brokers: readonly string[], topic: string, stateDir: string) {
    this.state = StateDatabase.open(stateDir);
    this.own = bindToMachine(this.state);
    this.intents = new IntentStore(this.state);
    this.open = this.intents.open();
    this.cluster = new KafkaCluster({ clientId: 'test', brokers, createTopics: false });
    this.ledger = new PartitionLedger(this.intents, { topic, partition: 0 });
    const logger = createLogger({ level: 'info', format: 'json', write: (line) => this.logged.push(line) });
    this.producer = new PartitionProducer(this.cluster, this.ledger, {
      clock: systemClock,
      logger,
      onFailureChange: () => {},
    });
  }

  /** Sends a batch of one line, which says its number. */
  send(number: number): void {
    this.producer.enqueue(this.batch(number));
  }

  batch(number: number): OutgoingBatch {
    const { segment, encoded } = batchOf(number);
    return {
      encoded,
      recordCount: 1,
      facts: { recordCount: 1, timestampMs: Date.now(), compression: 'none', segments: [segment] },
      onDelivered: () => this.delivered.push(number),
      onReturned: () => this.returned.push(number),
    };
  }

  /** Goes on with what the former process left; batches whose number is not in `have` can't be built. */
  restore(have: (number: number) => boolean = () => true): void {
    this.producer.restore(this.former(have));
  }

  former(have: (number: number) => boolean = () => true): RecoveredBatch[] {
    return this.open.map((intent) => {
      const number = intent.segments[0]?.start as number;
      const build = async () => {
        if (!have(number)) return undefined;
        this.built.push(number);
        return batchOf(number).encoded;
      };
      const onDelivered = () => this.delivered.push(number);
      return { intent, build, onDelivered, onReturned: () => this.returned.push(number) };
    });
  }

  /** Ends like a process that is killed: what is in memory is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.producer.close();
    await this.cluster.close();
    this.state.close();
  }
}

function batchOf(number: number): { segment: IntentSegment; encoded: RecordBatch } {
  const bytes = Buffer.from(`${number}\n`);
  const records = new RecordBuffer();
  const format = lineFormat(FORMAT, { path: '/a.log', generation: 'g' });
  const chunk = {
    bytes,
    length: bytes.length,
    position: number,
    last: false,
    insideLine: false,
    endsInsideLine: false,
  };
  new LineEncoder().encode(chunk, format, records);
  const encoded = encodeRecordBatch({ recordCount: 1, timestampMs: Date.now(), compression: 'none' }, [
    Buffer.from(records.view()),
  ]);
  const position = { generation: 'g', start: number, end: number + 1, lines: 1, endsInsideLine: false };
  return { segment: { ...position, checksum: checksumOf(bytes), format: format.document }, encoded };
}
