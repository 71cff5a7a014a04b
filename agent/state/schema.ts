import type { DatabaseSync } from 'node:sqlite';
import { beginRangesAtFirst } from './first-ranges.ts';

/** The format that this program writes. A newer one is refused, an older one is migrated. */
export const SCHEMA_VERSION = 9;

/** Step n migrates format n to format n + 1. Released steps never change. */
const STEPS: readonly (string | ((db: DatabaseSync) => void))[] = [
  `CREATE TABLE generation (
     entry_uid TEXT NOT NULL, generation TEXT NOT NULL,
     device INTEGER NOT NULL, inode INTEGER NOT NULL, path TEXT NOT NULL,
     head_bytes INTEGER NOT NULL, head_hash TEXT NOT NULL, position INTEGER NOT NULL,
     topic TEXT NOT NULL, partition INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
     PRIMARY KEY (entry_uid, generation)) STRICT, WITHOUT ROWID;
   CREATE TABLE entry (uid TEXT PRIMARY KEY, paths TEXT NOT NULL, exclude TEXT NOT NULL) STRICT, WITHOUT ROWID;`,
  // born_ms 0: unknown. size: when last observed. marker: of the bytes before position. ahead: JSON
  // [[start, end], …], the ranges acknowledged beyond it. fact: ordered by rowid.
  `ALTER TABLE generation ADD COLUMN born_ms INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE generation ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE generation ADD COLUMN marker_bytes INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE generation ADD COLUMN marker_hash TEXT NOT NULL DEFAULT '';
   ALTER TABLE generation ADD COLUMN ahead TEXT NOT NULL DEFAULT '[]';
   CREATE TABLE producer (
     topic TEXT NOT NULL, partition INTEGER NOT NULL, cluster_id TEXT NOT NULL, topic_id TEXT NOT NULL,
     producer_id INTEGER NOT NULL, epoch INTEGER NOT NULL, next_sequence INTEGER NOT NULL, last_offset INTEGER NOT NULL,
     usable INTEGER NOT NULL,
     PRIMARY KEY (topic, partition)) STRICT, WITHOUT ROWID;
   CREATE TABLE intent (
     id INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL,
     producer_id INTEGER NOT NULL, epoch INTEGER NOT NULL, base_sequence INTEGER NOT NULL,
     record_count INTEGER NOT NULL, timestamp_ms INTEGER NOT NULL, compression TEXT NOT NULL, segments TEXT NOT NULL) STRICT;
   CREATE TABLE format (id INTEGER PRIMARY KEY, document TEXT NOT NULL UNIQUE) STRICT;
   CREATE TABLE fact (id TEXT PRIMARY KEY, document TEXT NOT NULL, audited INTEGER NOT NULL, time_ms INTEGER NOT NULL) STRICT;
   CREATE INDEX fact_by_audit ON fact (audited);
   CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;`,
  // touched_ns: ctime, 0: unknown. marker_end: where the marker's bytes end. first: where the agent
  // began to read.
  `ALTER TABLE generation ADD COLUMN touched_ns INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE generation ADD COLUMN marker_end INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE generation ADD COLUMN first INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE generation ADD COLUMN phase TEXT NOT NULL DEFAULT 'live';`,
  // range_end: where the last record before the position ends. ahead: [start, end, range_end] each.
  `ALTER TABLE generation ADD COLUMN range_end INTEGER NOT NULL DEFAULT 0;
   UPDATE generation SET range_end = position;`,
  // place: the line state at the position, -1: unknown. ahead: [start, end, range_end, place] each.
  'ALTER TABLE generation ADD COLUMN place INTEGER NOT NULL DEFAULT -1;',
  // replay: bytes [start, end_position) that are sent again, ordered by seq; progress as in
  // generation. ahead, in both: [start, end, range_end, place, starts_at] each; starts_at is the
  // line state at start. rewind: the responses to requests. milestone: positions of generations in
  // the past.
  `CREATE TABLE replay (
     seq INTEGER PRIMARY KEY, id TEXT NOT NULL, entry_uid TEXT NOT NULL, generation TEXT NOT NULL,
     start INTEGER NOT NULL, end_position INTEGER NOT NULL, end_place INTEGER NOT NULL, marked INTEGER NOT NULL,
     position INTEGER NOT NULL, range_end INTEGER NOT NULL, place INTEGER NOT NULL, ahead TEXT NOT NULL) STRICT;
   CREATE TABLE rewind (
     id TEXT NOT NULL, entry_uid TEXT NOT NULL, document TEXT NOT NULL, time_ms INTEGER NOT NULL,
     PRIMARY KEY (entry_uid, id)) STRICT, WITHOUT ROWID;
   CREATE TABLE milestone (
     generation TEXT NOT NULL, time_ms INTEGER NOT NULL, position INTEGER NOT NULL,
     PRIMARY KEY (generation, time_ms)) STRICT, WITHOUT ROWID;`,
  // markers: [end, bytes, hash] each, the furthest first. Intents: the marker of each segment.
  `ALTER TABLE generation ADD COLUMN markers TEXT NOT NULL DEFAULT '[]';
   UPDATE generation SET markers = json_array(json_array(marker_end, marker_bytes, marker_hash)) WHERE marker_bytes > 0;
   ALTER TABLE generation DROP COLUMN marker_end;
   ALTER TABLE generation DROP COLUMN marker_bytes;
   ALTER TABLE generation DROP COLUMN marker_hash;`,
  // folder_path: the folder in which the file lies, without links; empty: unknown.
  `ALTER TABLE generation ADD COLUMN folder_path TEXT NOT NULL DEFAULT '';
   ALTER TABLE generation ADD COLUMN folder_inode INTEGER NOT NULL DEFAULT 0;`,
  // first_reason: why `first` is not 0, empty: not recorded.
  beginRangesAtFirst,
];

/** Migrates a database of format `version` (0: empty) to the present format, in one transaction. */
export function migrate(db: DatabaseSync, version: number): void {
  if (version === SCHEMA_VERSION) return;
  db.exec('BEGIN IMMEDIATE');
  for (const step of STEPS.slice(version)) {
    if (typeof step === 'string') db.exec(step);
    else step(db);
  }
  db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT;`);
}
