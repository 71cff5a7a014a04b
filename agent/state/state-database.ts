import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CodedError, errorCode, errorText } from '../../runtime/errors.ts';
import { migrate, SCHEMA_VERSION } from './schema.ts';
import { copyState, isEmptied } from './state-copy.ts';

export type StateErrorCode = 'LOCKED' | 'UNREADABLE' | 'UNUSABLE' | 'FULL' | 'NEWER_VERSION';

export class StateError extends CodedError<StateErrorCode> {}

/** What a committed transaction survives: the end of the process, or the loss of power. */
export type Durability = 'process' | 'power';

/** In WAL mode NORMAL does not wait for the disk at a commit (https://www.sqlite.org/pragma.html#pragma_synchronous). */
const SYNCHRONOUS = { process: 'NORMAL', power: 'FULL' } as const;

/** SQLITE_CORRUPT and SQLITE_NOTADB. */
const DAMAGED: ReadonlySet<number> = new Set([11, 26]);
const SQLITE_FULL = 13;
const COPY_INTERVAL_MS = 60_000;

/** What node:sqlite throws. */
type SqliteError = Error & { errcode?: number };

/** A part of the state that gathers changes in memory and writes them when the whole is flushed. */
export interface StatePart {
  /** Whether there is something to write. */
  readonly isDirty: boolean;
  /** Writes what is noted, inside the flush's transaction. */
  write(nowMs: number): void;
  /** The transaction is on the disk: what was noted may be forgotten. */
  onWritten(): void;
}

/**
 * The agent's durable state: SQLite in the state folder, held by one process at a time. Each part notes its changes; `flush` writes all
 * of them in one transaction, so that the parts never contradict each other on the disk.
 */
export class StateDatabase {
  readonly db: DatabaseSync;
  readonly file: string;
  readonly #parts: StatePart[] = [];
  #urgent = false;
  #changed = true;
  #copiedMs = 0;

  private constructor(db: DatabaseSync, file: string) {
    this.db = db;
    this.file = file;
  }

  /**
   * Opens or creates `<stateDir>/checkpoints.db`. Throws StateError: LOCKED when another process holds it, UNREADABLE when what is in it
   * is damaged, NEWER_VERSION, FULL when the disk is, or UNUSABLE.
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

  /** Adds a part; its changes are written by every later flush, after those of the parts added before. */
  add(part: StatePart): void {
    this.#parts.push(part);
  }

  /** Something was noted that must be on the disk before anything is sent, such as a new generation's id. */
  markUrgent(): void {
    this.#urgent = true;
  }

  /** Writes what is noted if that is urgent. Throws StateError, and it stays urgent, when that fails. */
  flushUrgent(nowMs: number): void {
    if (this.#urgent) this.flush(nowMs);
  }

  /** Writes all that is noted in one transaction; throws StateError and keeps it noted when that fails. */
  flush(nowMs: number): void {
    const parts = this.#parts.filter(({ isDirty: dirty }) => dirty);
    if (parts.length === 0) return;
    this.transaction(() => {
      for (const part of parts) part.write(nowMs);
    });
    for (const part of parts) part.onWritten();
    this.#urgent = false;
    this.#changed = true;
  }

  /** Runs `task` in a transaction, which is on the disk when this returns. Throws StateError, and nothing is written, when that fails. */
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

  /** Makes a copy to begin from when the database can't be read any more, now and then and only of what has changed. Rejects with StateError. */
  async copy(nowMs: number): Promise<void> {
    if (!this.#changed || nowMs - this.#copiedMs < COPY_INTERVAL_MS) return;
    this.#copiedMs = nowMs;
    this.#changed = false;
    await copyState(this.db, this.file).catch((error: unknown) => {
      this.#changed = true;
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
  // EXCLUSIVE keeps the file locked for as long as the process lives, kill -9 included.
  db.exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = ${SYNCHRONOUS[durability]};
    BEGIN IMMEDIATE; COMMIT;`);
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (version > SCHEMA_VERSION) {
    throw new StateError(
      'NEWER_VERSION',
      `${file} was written by a newer logfleet-agent (format ${version}): upgrade this one`,
    );
  }
  const { quick_check: found } = db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string };
  if (found !== 'ok') throw new StateError('UNREADABLE', `${file} is damaged: ${found}`);
  migrate(db, version);
}

/** Node's own recursive mkdir never returns for a folder that can't be made below /proc. */
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
      `${file} is held by another logfleet-agent: stop it, or give this one a --state folder of its own`,
    );
  }
  const { errcode = 0 } = error as SqliteError;
  const full = errcode === SQLITE_FULL || errorCode(error) === 'ENOSPC';
  const code = DAMAGED.has(errcode) ? 'UNREADABLE' : full ? 'FULL' : 'UNUSABLE';
  return new StateError(code, `${file} can't be used`, { cause: error });
}
