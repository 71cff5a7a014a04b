import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { CodedError, errorText } from '../../runtime/errors.ts';
import type { FileHead } from './file-head.ts';

/** What is kept of one generation of one file, for one entry. */
export interface Checkpoint {
  entryUid: string;
  generation: string;
  device: bigint;
  inode: bigint;
  path: string;
  head: FileHead;
  /** Kafka has every line before this position. */
  position: number;
  /** Where its lines go: a source keeps its partition when a topic grows. -1 while it has none. */
  topic: string;
  partition: number;
}

export type StateErrorCode = 'LOCKED' | 'UNUSABLE' | 'NEWER_VERSION';

export class StateError extends CodedError<StateErrorCode> {}

const SCHEMA_VERSION = 1;
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS generation (
    entry_uid TEXT NOT NULL, generation TEXT NOT NULL,
    device INTEGER NOT NULL, inode INTEGER NOT NULL, path TEXT NOT NULL,
    head_bytes INTEGER NOT NULL, head_hash TEXT NOT NULL, position INTEGER NOT NULL,
    topic TEXT NOT NULL, partition INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
    PRIMARY KEY (entry_uid, generation)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS entry (uid TEXT PRIMARY KEY, first_scan_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${SCHEMA_VERSION};`;

/**
 * The durable record of positions: SQLite in the state folder, held by one process at a time. Changes are gathered and written in
 * one transaction by `flush`; a position may therefore be older on disk than in memory, never newer.
 */
export class CheckpointStore {
  readonly #db: DatabaseSync;
  readonly #put: StatementSync;
  readonly #dirty = new Map<string, Checkpoint>();

  private constructor(db: DatabaseSync) {
    this.#db = db;
    this.#put = db.prepare(`INSERT OR REPLACE INTO generation VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  }

  /** Opens or creates `<stateDir>/checkpoints.db`. Throws StateError when another process holds it or it can't be used. */
  static open(stateDir: string): CheckpointStore {
    const file = join(stateDir, 'checkpoints.db');
    try {
      mkdirSync(stateDir, { recursive: true });
      const db = new DatabaseSync(file);
      // EXCLUSIVE keeps the file locked for as long as the process lives, kill -9 included.
      db.exec(
        'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE; COMMIT;',
      );
      const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number };
      if (version > SCHEMA_VERSION) {
        throw new StateError(
          'NEWER_VERSION',
          `${file} was written by a newer logfleet-agent (format ${version}): upgrade this one`,
        );
      }
      db.exec(SCHEMA);
      return new CheckpointStore(db);
    } catch (error) {
      throw asStateError(error, file);
    }
  }

  /** All checkpoints of one entry. */
  load(entryUid: string): Checkpoint[] {
    const select = this.#db.prepare('SELECT * FROM generation WHERE entry_uid = ?');
    select.setReadBigInts(true);
    return select.all(entryUid).map((row) => ({
      entryUid,
      generation: String(row['generation']),
      device: BigInt.asUintN(64, row['device'] as bigint),
      inode: BigInt.asUintN(64, row['inode'] as bigint),
      path: String(row['path']),
      head: { bytes: Number(row['head_bytes']), hash: String(row['head_hash']) },
      position: Number(row['position']),
      topic: String(row['topic']),
      partition: Number(row['partition']),
    }));
  }

  /** Notes a checkpoint for the next flush. */
  put(checkpoint: Checkpoint): void {
    this.#dirty.set(`${checkpoint.entryUid}/${checkpoint.generation}`, checkpoint);
  }

  /** Whether the entry's files have been looked for before; if so, a file met for the first time was created since. */
  wasScanned(entryUid: string): boolean {
    return this.#db.prepare('SELECT 1 FROM entry WHERE uid = ?').get(entryUid) !== undefined;
  }

  markScanned(entryUid: string, nowMs: number): void {
    this.#db.prepare('INSERT OR IGNORE INTO entry VALUES (?, ?)').run(entryUid, nowMs);
  }

  /** Writes all noted checkpoints in one transaction; throws StateError and keeps them noted when that fails. */
  flush(nowMs: number): void {
    if (this.#dirty.size === 0) return;
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      for (const at of this.#dirty.values()) this.#write(at, nowMs);
      this.#db.exec('COMMIT');
      this.#dirty.clear();
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw asStateError(error, 'checkpoints.db');
    }
  }

  /** Forgets a generation that is complete, or all of an entry's. */
  remove(entryUid: string, generation: string): void {
    this.#dirty.delete(`${entryUid}/${generation}`);
    this.#db.prepare('DELETE FROM generation WHERE entry_uid = ? AND generation = ?').run(entryUid, generation);
  }

  close(): void {
    this.#db.close();
  }

  #write(at: Checkpoint, nowMs: number): void {
    // SQLite's integers are signed: a device or inode above 2^63 is kept as its two's complement.
    const device = BigInt.asIntN(64, at.device);
    const inode = BigInt.asIntN(64, at.inode);
    const { head } = at;
    const where = [at.topic, at.partition, nowMs] as const;
    this.#put.run(at.entryUid, at.generation, device, inode, at.path, head.bytes, head.hash, at.position, ...where);
  }
}

function asStateError(error: unknown, file: string): StateError {
  if (error instanceof StateError) return error;
  if (/locked|busy/i.test(errorText(error))) {
    return new StateError(
      'LOCKED',
      `${file} is held by another logfleet-agent: stop it, or give this one a --state folder of its own`,
    );
  }
  return new StateError('UNUSABLE', `${file} can't be used`, { cause: error });
}
