import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CodedError, errorCode, errorText } from '../../runtime/errors.ts';
import { migrate, SCHEMA_VERSION } from './schema.ts';
import { copyState, isEmptied } from './state-copy.ts';

export type StateErrorCode = 'LOCKED' | 'UNREADABLE' | 'UNUSABLE' | 'FULL' | 'NEWER_VERSION';

export class StateError extends CodedError<StateErrorCode> {}

/** What a committed transaction survives: a crash of the process, or a loss of power. */
export type Durability = 'process' | 'power';

/**
 * In WAL mode, NORMAL does not wait for the disk at a commit
 * (https://www.sqlite.org/pragma.html#pragma_synchronous).
 */
const SYNCHRONOUS = { process: 'NORMAL', power: 'FULL' } as const;

/** SQLITE_CORRUPT and SQLITE_NOTADB. */
const DAMAGED: ReadonlySet<number> = new Set([11, 26]);
const SQLITE_FULL = 13;
const COPY_INTERVAL_MS = 60_000;

/** An error of node:sqlite. */
type SqliteError = Error & { errcode?: number };

/** A part of the state. It collects changes in memory and writes them when the state is flushed. */
export interface StatePart {
  /** Whether there are changes to write. */
  readonly isDirty: boolean;
  /** Writes the noted changes within the flush's transaction. */
  write(nowMs: number): void;
  /** The transaction is committed: the noted changes may be forgotten. */
  onWritten(): void;
}

/**
 * The agent's durable state: a SQLite database in the state folder, which one process holds at a
 * time. Each part notes its changes, and `flush` writes all of them in one transaction, so the
 * parts never contradict each other on the disk.
 */
export class StateDatabase {
  readonly db: DatabaseSync;
  readonly file: string;
  readonly #parts: StatePart[] = [];
  #isUrgent = false;
  #hasChanged = true;
  #copiedMs = 0;

  private constructor(db: DatabaseSync, file: string) {
    this.db = db;
    this.file = file;
  }

  /**
   * Opens or creates `<stateDir>/checkpoints.db`. Throws StateError: LOCKED (another process holds
   * it), UNREADABLE (it is damaged), NEWER_VERSION, FULL (the disk is full), or UNUSABLE.
   */
  static open(stateDir: string, durability: Durability = 'process'): StateDatabase {
    const file = stateFile(stateDir);
    try {
      makeFolder(stateDir);
      if (isEmptied(file)) throw new StateError('UNREADABLE', `${file} is empty`);
      const db = new DatabaseSync(file);
      try {
        prepare(db, file, durability);
      } catch (error) {
        db.close();
        throw error;
      }
      return new StateDatabase(db, file);
    } catch (error) {
      throw asStateError(error, file);
    }
  }

  /** Adds a part. A flush writes the parts in the order in which they were added. */
  add(part: StatePart): void {
    this.#parts.push(part);
  }

  /** A noted change must be on the disk before anything is sent, such as a new generation's id. */
  markUrgent(): void {
    this.#isUrgent = true;
  }

  /**
   * Flushes if a noted change is urgent. Throws StateError; the change stays noted and urgent then.
   */
  flushUrgent(nowMs: number): void {
    if (this.#isUrgent) this.flush(nowMs);
  }

  /** Writes all noted changes in one transaction. Throws StateError; they stay noted then. */
  flush(nowMs: number): void {
    const parts = this.#parts.filter(({ isDirty: dirty }) => dirty);
    if (parts.length === 0) return;
    this.transaction(() => {
      for (const part of parts) part.write(nowMs);
    });
    for (const part of parts) part.onWritten();
    this.#isUrgent = false;
    this.#hasChanged = true;
  }

  /** Runs `task` in a transaction and commits it. Throws StateError; nothing is written then. */
  transaction(task: () => void): void {
    try {
      this.db.exec('BEGIN IMMEDIATE');
      task();
      this.db.exec('COMMIT');
    } catch (error) {
      if (this.db.isTransaction) this.db.exec('ROLLBACK');
      throw asStateError(error, this.file);
    }
  }

  /**
   * Copies the database, for use if it becomes unreadable. Does nothing if it has not changed, or
   * was copied less than a minute ago. Rejects with StateError.
   */
  async copy(nowMs: number): Promise<void> {
    if (!this.#hasChanged || nowMs - this.#copiedMs < COPY_INTERVAL_MS) return;
    this.#copiedMs = nowMs;
    this.#hasChanged = false;
    await copyState(this.db, this.file).catch((error: unknown) => {
      this.#hasChanged = true;
      throw asStateError(error, `${this.file}'s copy`);
    });
  }

  close(): void {
    this.db.close();
  }
}

export function stateFile(stateDir: string): string {
  return join(stateDir, 'checkpoints.db');
}

function prepare(db: DatabaseSync, file: string, durability: Durability): void {
  // EXCLUSIVE keeps the file locked until the process ends, even by kill -9.
  db.exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = ${SYNCHRONOUS[durability]};
    BEGIN IMMEDIATE; COMMIT;`);
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (version > SCHEMA_VERSION) {
    throw new StateError(
      'NEWER_VERSION',
      `${file} was written by a newer logfleet-agent (format ${version}): upgrade this agent`,
    );
  }
  const { quick_check: found } = db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string };
  if (found !== 'ok') throw new StateError('UNREADABLE', `${file} is damaged: ${found}`);
  migrate(db, version);
}

/** Node's own recursive mkdir never returns for a folder below /proc that can't be created. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  if (dirname(path) !== path) makeFolder(dirname(path));
  mkdirSync(path);
}

function asStateError(error: unknown, file: string): StateError {
  if (error instanceof StateError) return error;
  if (/locked|busy/i.test(errorText(error))) {
    return new StateError(
      'LOCKED',
      `${file} is locked by another logfleet-agent: stop it, or give this one another --state folder`,
    );
  }
  const { errcode = 0 } = error as SqliteError;
  const full = errcode === SQLITE_FULL || errorCode(error) === 'ENOSPC';
  const code = DAMAGED.has(errcode) ? 'UNREADABLE' : full ? 'FULL' : 'UNUSABLE';
  return new StateError(code, `${file} can't be used`, { cause: error });
}
