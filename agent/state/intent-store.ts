import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import type { Intent, OpenIntent, ProducerRecord } from '../model/segment.ts';
import { intentFromRow, segmentsText } from './intent-row.ts';
import type { StateDatabase, StatePart } from './state-database.ts';

/**
 * Intents: what is written before a batch is sent, so that after a kill -9 it is known what may be in Kafka. An intent is closed by the
 * flush that also writes the positions it led to; one that stays open although its batch was answered does no harm.
 */
export class IntentStore implements StatePart {
  readonly #state: StateDatabase;
  readonly #required: boolean;
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #putProducer: StatementSync;
  readonly #formats = new Map<string, number>();
  #nextId: number;
  #acknowledged: number[] = [];
  #void: number[] = [];
  readonly #progress = new Map<string, ProducerRecord>();

  /** `required`: a batch is not sent without its intent; else it is, when the state can't be written, and may then be there twice. */
  constructor(state: StateDatabase, required = true) {
    const { db } = state;
    this.#state = state;
    this.#required = required;
    this.#insert = db.prepare('INSERT INTO intent VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
    this.#delete = db.prepare('DELETE FROM intent WHERE id = ?');
    this.#putProducer = db.prepare('INSERT OR REPLACE INTO producer VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)');
    const { last } = db.prepare('SELECT coalesce(max(id), 0) AS last FROM intent').get() as { last: number };
    this.#nextId = last + 1;
    state.transaction(() => db.exec('DELETE FROM format WHERE NOT EXISTS (SELECT 1 FROM intent)'));
    for (const { id, document } of db.prepare('SELECT id, document FROM format').all())
      this.#formats.set(String(document), Number(id));
    state.add(this);
  }

  /** Those that a former process left open, in the order in which they were written. */
  openIntents(): OpenIntent[] {
    const select = this.#state.db.prepare('SELECT * FROM intent ORDER BY id');
    select.setReadBigInts(true);
    const documents = new Map([...this.#formats].map(([document, id]) => [id, document]));
    return select.all().map((row) => intentFromRow(row, documents));
  }

  producer(topic: string, partition: number): ProducerRecord | undefined {
    const select = this.#state.db.prepare('SELECT * FROM producer WHERE topic = ? AND partition = ?');
    select.setReadBigInts(true);
    const row = select.get(topic, partition);
    return row && producerFromRow(row);
  }

  /**
   * Writes an intent now, with the void intents that were noted before it, and returns its id. Nothing is written when that
   * fails: throws StateError, and the batch must not be sent, or returns undefined, and it may.
   */
  add(intent: Intent): number | undefined {
    try {
      return this.#add(intent);
    } catch (error) {
      if (this.#required) throw error;
      return undefined;
    }
  }

  #add(intent: Intent): number {
    const id = this.#nextId;
    const { topic, partition, producer, baseSequence, recordCount, timestampMs, compression } = intent;
    const added: string[] = [];
    this.#state.flushUrgent(timestampMs);
    try {
      this.#state.transaction(() => {
        this.#writeVoid();
        const segments = segmentsText(intent.segments, (format) => this.#formatId(format, added));
        const batch = [baseSequence, recordCount, timestampMs, compression, segments] as const;
        this.#insert.run(id, topic, partition, producer.id, producer.epoch, ...batch);
      });
    } catch (error) {
      for (const document of added) this.#formats.delete(document);
      throw error;
    }
    this.#void = [];
    this.#nextId++;
    return id;
  }

  /** Notes that the batch is in Kafka. The positions it led to must be noted in the same turn: one flush writes both. */
  acknowledged(id: number): void {
    this.#acknowledged.push(id);
  }

  /** Notes that the batch is not in Kafka and will not be sent: another intent may take its sequence. */
  withdraw(id: number): void {
    this.#void.push(id);
  }

  /** Notes a new producer: before anything is sent by it, it is on the disk, and all that was sent by the former one is closed there. */
  startProducer(record: ProducerRecord): void {
    this.updateProducer(record);
    this.#state.markUrgent();
  }

  /** Notes how far a producer has come: on the disk that is never ahead of the intents that are open there. */
  updateProducer(record: ProducerRecord): void {
    this.#progress.set(`${record.topic}/${record.partition}`, record);
  }

  get isDirty(): boolean {
    return this.#acknowledged.length + this.#void.length + this.#progress.size > 0;
  }

  write(): void {
    for (const id of this.#acknowledged) this.#delete.run(id);
    this.#writeVoid();
    for (const record of this.#progress.values()) this.#writeProducer(record);
  }

  onWritten(): void {
    [this.#acknowledged, this.#void] = [[], []];
    this.#progress.clear();
  }

  #writeVoid(): void {
    for (const id of this.#void) this.#delete.run(id);
  }

  #writeProducer(record: ProducerRecord): void {
    const { topic, partition, clusterId, topicId, producer, nextSequence, lastOffset, usable } = record;
    const id = [producer.id, producer.epoch, nextSequence, lastOffset, Number(usable)] as const;
    this.#putProducer.run(topic, partition, clusterId, topicId, ...id);
  }

  #formatId(document: string, added: string[]): number {
    const known = this.#formats.get(document);
    if (known !== undefined) return known;
    const { lastInsertRowid } = this.#state.db.prepare('INSERT INTO format (document) VALUES (?)').run(document);
    this.#formats.set(document, Number(lastInsertRowid));
    added.push(document);
    return Number(lastInsertRowid);
  }
}

function producerFromRow(row: Record<string, SQLOutputValue>): ProducerRecord {
  return {
    topic: String(row['topic']),
    partition: Number(row['partition']),
    clusterId: String(row['cluster_id']),
    topicId: String(row['topic_id']),
    producer: { id: row['producer_id'] as bigint, epoch: Number(row['epoch']) },
    nextSequence: Number(row['next_sequence']),
    lastOffset: row['last_offset'] as bigint,
    usable: Number(row['usable']) === 1,
  };
}
