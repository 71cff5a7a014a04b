import { LineEncoder } from '../../agent/encode/line-encoder.ts';
import { checksumOf, encodeRecordBatch, type RecordBatch } from '../../agent/encode/record-batch.ts';
import { RecordBuffer } from '../../agent/encode/record-buffer.ts';
import { lineStates } from '../../agent/model/line-state.ts';
import type { IntentSegment, OpenIntent } from '../../agent/model/segment.ts';
import { KafkaCluster } from '../../agent/produce/kafka-cluster.ts';
import { PartitionLedger } from '../../agent/produce/partition-ledger.ts';
import { PartitionProducer } from '../../agent/produce/partition-producer.ts';
import type { OutgoingBatch, RecoveredBatch } from '../../agent/produce/queued-batch.ts';
import { IntentStore } from '../../agent/state/intent-store.ts';
import { bindToMachine } from '../../agent/state/machine.ts';
import { StateDatabase } from '../../agent/state/state-database.ts';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { createLogger } from '../../runtime/logger.ts';
import { testFormat } from './formats.ts';

/**
 * A producer of one partition with its state, as one process of an agent has it; the next process
 * begins with another.
 */
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
  /** The lines of batches, by number, as they were acknowledged, returned or built again. */
  readonly acknowledged: number[] = [];
  readonly returned: number[] = [];
  readonly built: number[] = [];

  constructor(brokers: readonly string[], topic: string, stateDir: string, clock: Clock = systemClock) {
    this.state = StateDatabase.open(stateDir);
    this.own = bindToMachine(this.state);
    this.intents = new IntentStore(this.state);
    this.open = this.intents.openIntents();
    this.cluster = new KafkaCluster({ clientId: 'test', brokers, createTopics: false });
    this.ledger = new PartitionLedger(this.intents, { topic, partition: 0 });
    const logger = createLogger({ level: 'info', format: 'json', write: (line) => this.logged.push(line) });
    this.producer = new PartitionProducer(this.cluster, this.ledger, {
      clock,
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
      onAcknowledged: () => this.acknowledged.push(number),
      onReturned: () => this.returned.push(number),
    };
  }

  /**
   * Continues with the open batches of the previous process. Those whose number `have` rejects
   * can't be rebuilt.
   */
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
      const onAcknowledged = () => this.acknowledged.push(number);
      return { intent, build, onAcknowledged, onReturned: () => this.returned.push(number) };
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
  const format = testFormat();
  const lineState = { rangeStart: number, startState: lineStates.lineStart, endState: lineStates.lineStart };
  const chunk = { bytes, length: bytes.length, position: number, isLast: false, isFlushed: false, ...lineState };
  new LineEncoder().encode(chunk, format, records);
  const encoded = encodeRecordBatch({ recordCount: 1, timestampMs: Date.now(), compression: 'none' }, [
    Buffer.from(records.view()),
  ]);
  const range = {
    generation: 'g',
    start: number,
    end: number + 1,
    lines: 1,
    ...lineState,
    rangeEnd: number + 1,
    lineState: lineState.startState,
    cut: undefined,
  };
  return { segment: { ...range, checksum: checksumOf(bytes), format: format.document }, encoded };
}
