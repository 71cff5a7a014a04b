import assert from 'node:assert/strict';
import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import { rethrowDefect } from '../../runtime/errors.ts';
import type { Intent, OpenIntent, ProducerRecord } from '../model/segment.ts';
import { assertConsistent, intentFromRow, segmentsText } from './intent-row.ts';
import type { StateDatabase, StatePart } from './state-database.ts';

/**
 * The durable intents. One is written before its batch is sent, so that after a kill -9 the agent
 * knows what may be in Kafka. It is deleted by the flush that also writes the positions after the
 * batch. An intent whose batch was acknowledged just before the kill does no harm.
 */
export class IntentStore implements StatePart {
  readonly #state: StateDatabase;
  readonly #isRequired: boolean;
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #putProducer: StatementSync;
  readonly #formats = new Map<string, number>();
  #nextId: number;
  /** The ids of closed intents that are not deleted yet. */
  readonly #acknowledged = new Set<number>();
  readonly #withdrawn = new Set<number>();
  readonly #producers = new Map<string, ProducerRecord>();

  /**
   * `isRequired`: a batch is not sent without its intent. If false, it is sent while the state
   * can't be written, and may then arrive twice.
   */
  constructor(state: StateDatabase, isRequired = true) {
    const { db } = state;
    this.#state = state;
    this.#isRequired = isRequired;
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

  /** The open intents of the previous process, in the order in which they were written. */
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
   * Writes an intent now, together with the withdrawals that are noted, and returns its id. If that
   * fails, nothing is written: throws StateError and the batch must not be sent, or returns
   * undefined and it may be.
   */
  add(intent: Intent): number | undefined {
    try {
      return this.#add(intent);
    } catch (error) {
      rethrowDefect(error);
      if (this.#isRequired) throw error;
      return undefined;
    }
  }

  /** Each intent is closed once. */
  #requireOpen(id: number): void {
    assert(id < this.#nextId && !this.#acknowledged.has(id) && !this.#withdrawn.has(id), 'the intent is closed');
  }

  #add(intent: Intent): number {
    assertConsistent(intent);
    const id = this.#nextId;
    const { topic, partition, producer, baseSequence, recordCount, timestampMs, compression } = intent;
    const added: string[] = [];
    this.#state.flushUrgent(timestampMs);
    try {
      this.#state.transaction(() => {
        this.#deleteWithdrawn();
        const segments = segmentsText(intent.segments, (format) => this.#formatId(format, added));
        const batch = [baseSequence, recordCount, timestampMs, compression, segments] as const;
        this.#insert.run(id, topic, partition, producer.id, producer.epoch, ...batch);
      });
    } catch (error) {
      for (const document of added) this.#formats.delete(document);
      throw error;
    }
    this.#withdrawn.clear();
    this.#nextId++;
    return id;
  }

  /** Notes that Kafka has the batch. Note its positions in the same turn: one flush writes both. */
  acknowledged(id: number): void {
    this.#requireOpen(id);
    this.#acknowledged.add(id);
  }

  /** Notes that the batch will not be in Kafka: another intent may take its sequence. */
  withdraw(id: number): void {
    this.#requireOpen(id);
    this.#withdrawn.add(id);
  }

  /**
   * Notes a new producer id. Before anything is sent with it, it is on the disk, and the intents of
   * the previous id are closed there.
   */
  startProducer(record: ProducerRecord): void {
    this.updateProducer(record);
    this.#state.markUrgent();
  }

  /** Notes a producer's progress. On the disk it is never ahead of the open intents. */
  updateProducer(record: ProducerRecord): void {
    this.#producers.set(`${record.topic}/${record.partition}`, record);
  }

  get isDirty(): boolean {
    return this.#acknowledged.size + this.#withdrawn.size + this.#producers.size > 0;
  }

  write(): void {
    for (const id of this.#acknowledged) this.#delete.run(id);
    this.#deleteWithdrawn();
    for (const record of this.#producers.values()) this.#writeProducer(record);
  }

  onWritten(): void {
    this.#acknowledged.clear();
    this.#withdrawn.clear();
    this.#producers.clear();
  }

  #deleteWithdrawn(): void {
    for (const id of this.#withdrawn) this.#delete.run(id);
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
