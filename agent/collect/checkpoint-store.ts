import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite';
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

/** Which files an entry means. */
export interface Globs {
  paths: readonly string[];
  exclude: readonly string[];
}

/** A change that is not written yet; without a checkpoint the generation is to be forgotten. */
interface Noted {
  entryUid: string;
  generation: string;
  checkpoint: Checkpoint | undefined;
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
  CREATE TABLE IF NOT EXISTS entry (uid TEXT PRIMARY KEY, paths TEXT NOT NULL, exclude TEXT NOT NULL) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${SCHEMA_VERSION};`;

/**
 * The durable record of positions: SQLite in the state folder, held by one process at a time. Changes are gathered and written in
 * one transaction by `flush`; a position may therefore be older on disk than in memory, never newer.
 */
export class CheckpointStore {
  readonly #db: DatabaseSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #putEntry: StatementSync;
  /** What is to be written or deleted, by entry and generation. */
  readonly #dirty = new Map<string, Noted>();
  readonly #scanned = new Map<string, Globs>();

  private constructor(db: DatabaseSync) {
    this.#db = db;
    this.#put = db.prepare(`INSERT OR REPLACE INTO generation VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#delete = db.prepare('DELETE FROM generation WHERE entry_uid = ? AND generation = ?');
    this.#putEntry = db.prepare('INSERT OR REPLACE INTO entry VALUES (?, ?, ?)');
  }

  /** Opens or creates `<stateDir>/checkpoints.db`. Throws StateError when another process holds it or it can't be used. */
  static open(stateDir: string): CheckpointStore {
    const file = join(stateDir, 'checkpoints.db');
    try {
      makeFolder(stateDir);
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

  /** All checkpoints of one entry, those noted and not yet written too. */
  load(entryUid: string): Checkpoint[] {
    const select = this.#db.prepare('SELECT * FROM generation WHERE entry_uid = ?');
    select.setReadBigInts(true);
    const written = select.all(entryUid).map(fromRow);
    const known = new Map(written.map((checkpoint) => [checkpoint.generation, checkpoint]));
    for (const noted of this.#dirty.values()) {
      if (noted.entryUid !== entryUid) continue;
      if (noted.checkpoint) known.set(noted.generation, noted.checkpoint);
      else known.delete(noted.generation);
    }
    return [...known.values()];
  }

  /** Notes a checkpoint for the next flush. */
  put(checkpoint: Checkpoint): void {
    this.#note({ entryUid: checkpoint.entryUid, generation: checkpoint.generation, checkpoint });
  }

  /** Notes that a generation is to be forgotten. */
  remove(entryUid: string, generation: string): void {
    this.#note({ entryUid, generation, checkpoint: undefined });
  }

  /** The globs by which the entry's files were last looked for; undefined when they never were. */
  scannedGlobs(entryUid: string): Globs | undefined {
    const noted = this.#scanned.get(entryUid);
    if (noted) return noted;
    const row = this.#db.prepare('SELECT paths, exclude FROM entry WHERE uid = ?').get(entryUid);
    return row && { paths: JSON.parse(String(row['paths'])), exclude: JSON.parse(String(row['exclude'])) };
  }

  /** Notes by which globs the entry's files were looked for: written together with the positions of what was found. */
  markScanned(entryUid: string, { paths, exclude }: Globs): void {
    this.#scanned.set(entryUid, { paths, exclude });
  }

  /** Writes all that is noted in one transaction; throws StateError and keeps it noted when that fails. */
  flush(nowMs: number): void {
    if (this.#dirty.size === 0 && this.#scanned.size === 0) return;
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      for (const { entryUid, generation, checkpoint } of this.#dirty.values()) {
        if (checkpoint) this.#write(checkpoint, nowMs);
        else this.#delete.run(entryUid, generation);
      }
      for (const [uid, { paths, exclude }] of this.#scanned)
        this.#putEntry.run(uid, JSON.stringify(paths), JSON.stringify(exclude));
      this.#db.exec('COMMIT');
      this.#dirty.clear();
      this.#scanned.clear();
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw asStateError(error, 'checkpoints.db');
    }
  }

  close(): void {
    this.#db.close();
  }

  #note(noted: Noted): void {
    this.#dirty.set(`${noted.entryUid}/${noted.generation}`, noted);
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

/** Node's own recursive mkdir never returns for a folder that can't be made below /proc. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  if (dirname(path) !== path) makeFolder(dirname(path));
  mkdirSync(path);
}

function fromRow(row: Record<string, SQLOutputValue>): Checkpoint {
  return {
    entryUid: String(row['entry_uid']),
    generation: String(row['generation']),
    device: BigInt.asUintN(64, row['device'] as bigint),
    inode: BigInt.asUintN(64, row['inode'] as bigint),
    path: String(row['path']),
    head: { bytes: Number(row['head_bytes']), hash: String(row['head_hash']) },
    position: Number(row['position']),
    topic: String(row['topic']),
    partition: Number(row['partition']),
  };
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
