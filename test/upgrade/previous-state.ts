import { mkdirSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { fixtureText, TOKEN } from './fixture.ts';
import { databaseFile } from './state-dump.ts';

/** An agent's state in the format 6 of the previous release, without rows. */
export function previousState(stateDir: string): DatabaseSync {
  mkdirSync(stateDir, { recursive: true });
  const db = new DatabaseSync(databaseFile(stateDir));
  const schema = fixtureText(TOKEN, 'state.sql').split('\n');
  db.exec(schema.filter((line) => !line.startsWith('INSERT ')).join('\n'));
  return db;
}

/** What of a generation matters to a test. */
export interface PreviousGeneration {
  generation: string;
  device?: bigint;
  inode?: bigint;
  path?: string;
  first?: number;
  position: number;
  range_end: number;
  updated_ms?: number;
}

/** Adds a generation of the entry `e`. */
export function insertGeneration(db: DatabaseSync, own: PreviousGeneration): void {
  const file = { device: 1, inode: 2, path: '/a.log', head_bytes: 0, head_hash: '' };
  const row = { entry_uid: 'e', ...file, topic: 't', partition: 0, updated_ms: 1, ...own };
  const places = Object.keys(row).map(() => '?');
  db.prepare(`INSERT INTO generation (${Object.keys(row)}) VALUES (${places})`).run(...Object.values(row));
}
