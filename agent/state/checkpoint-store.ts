import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import type { Checkpoint, Globs, Phase } from '../model/checkpoint.ts';
import type { BeginReason } from '../model/fact.ts';
import type { FileMarker } from '../model/fingerprint.ts';
import type { RealFolder } from '../model/found-file.ts';
import type { LineState } from '../model/line-state.ts';
import { parseAhead } from '../model/position.ts';
import { Milestones } from './milestones.ts';
import { ReplayStore } from './replay-store.ts';
import type { StateDatabase, StatePart } from './state-database.ts';

/** Stored for an unknown line state. */
const UNKNOWN = -1;

/** In `meta` while positions are lost with a damaged state and not all files are found again. */
export const LOST_KEY = 'lost';

/** A change that is not written yet. Without a checkpoint the generation is removed. */
interface PendingWrite {
  entryUid: string;
  generation: string;
  checkpoint: Checkpoint | undefined;
}

/** The durable positions. A position may be older on disk than in memory, never newer. */
export class CheckpointStore implements StatePart {
  readonly #state: StateDatabase;
  readonly replays: ReplayStore;
  readonly milestones: Milestones;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #putEntry: StatementSync;
  /** By entry and generation. */
  readonly #dirty = new Map<string, PendingWrite>();
  readonly #scanned = new Map<string, Globs>();
  #isLostCleared = false;

  constructor(state: StateDatabase) {
    const { db } = state;
    this.#state = state;
    this.#put = db.prepare(`INSERT OR REPLACE INTO generation (entry_uid, generation, device, inode, path, folder_path,
      folder_inode, head_bytes, head_hash, born_ms, size, touched_ns, markers, first, first_reason, phase, position,
      range_end, place, ahead, topic, partition, updated_ms)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#delete = db.prepare('DELETE FROM generation WHERE entry_uid = ? AND generation = ?');
    this.#putEntry = db.prepare('INSERT OR REPLACE INTO entry VALUES (?, ?, ?)');
    this.milestones = new Milestones(db);
    state.add(this);
    this.replays = new ReplayStore(state);
  }

  /** All written checkpoints. */
  all(): Checkpoint[] {
    const select = this.#state.db.prepare('SELECT * FROM generation');
    select.setReadBigInts(true);
    return select.all().map(fromRow);
  }

  /**
   * All checkpoints of one entry, also those that are not written yet. Those that were written last
   * are last.
   */
  load(entryUid: string): Checkpoint[] {
    const select = this.#state.db.prepare('SELECT * FROM generation WHERE entry_uid = ?');
    select.setReadBigInts(true);
    const written: { checkpoint: Checkpoint; updatedMs: number }[] = [];
    const folders = new Map<string, RealFolder>();
    // Row by row: all rows at once would take more memory than the checkpoints.
    for (const row of select.iterate(entryUid)) {
      const checkpoint = fromRow(row);
      checkpoint.folder &&= shared(checkpoint.folder, folders);
      written.push({ checkpoint, updatedMs: Number(row['updated_ms']) });
    }
    written.sort((a, b) => a.updatedMs - b.updatedMs);
    const known = new Map(written.map(({ checkpoint }) => [checkpoint.generation, checkpoint]));
    for (const noted of this.#dirty.values()) {
      if (noted.entryUid !== entryUid) continue;
      known.delete(noted.generation);
      if (noted.checkpoint) known.set(noted.generation, noted.checkpoint);
    }
    return [...known.values()];
  }

  /** Notes a new generation. Its id is on the disk before any of its lines is sent. */
  putNew(checkpoint: Checkpoint): void {
    this.put(checkpoint);
    this.#state.markUrgent();
  }

  /** Notes a checkpoint for the next flush. */
  put(checkpoint: Checkpoint): void {
    this.#note({ entryUid: checkpoint.entryUid, generation: checkpoint.generation, checkpoint });
  }

  /** Notes that a generation is removed. */
  remove(entryUid: string, generation: string): void {
    this.replays.forget(generation);
    this.#note({ entryUid, generation, checkpoint: undefined });
  }

  /** The globs of the entry's last scan; undefined: it was never scanned. */
  scannedGlobs(entryUid: string): Globs | undefined {
    const noted = this.#scanned.get(entryUid);
    if (noted) return noted;
    const row = this.#state.db.prepare('SELECT paths, exclude FROM entry WHERE uid = ?').get(entryUid);
    return row && { paths: JSON.parse(String(row['paths'])), exclude: JSON.parse(String(row['exclude'])) };
  }

  /** Notes the globs of a scan, which are written together with the positions of its files. */
  markScanned(entryUid: string, { paths, exclude }: Globs): void {
    this.#scanned.set(entryUid, { paths, exclude });
  }

  /** Notes that all files are found after a loss of positions, written together with these. */
  clearLost(): void {
    this.#isLostCleared = true;
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0 || this.#scanned.size > 0 || this.#isLostCleared;
  }

  write(nowMs: number): void {
    this.milestones.begin();
    for (const { entryUid, generation, checkpoint } of this.#dirty.values()) {
      if (checkpoint) this.#write(checkpoint, nowMs);
      else {
        this.#delete.run(entryUid, generation);
        this.milestones.remove(generation);
      }
    }
    for (const [uid, { paths, exclude }] of this.#scanned)
      this.#putEntry.run(uid, JSON.stringify(paths), JSON.stringify(exclude));
    if (this.#isLostCleared) this.#state.db.prepare('DELETE FROM meta WHERE key = ?').run(LOST_KEY);
  }

  onWritten(): void {
    this.milestones.written();
    this.#dirty.clear();
    this.#scanned.clear();
    this.#isLostCleared = false;
  }

  #note(noted: PendingWrite): void {
    this.#dirty.set(`${noted.entryUid}/${noted.generation}`, noted);
  }

  #write(at: Checkpoint, nowMs: number): void {
    if (at.position > at.first) this.milestones.record(at, nowMs);
    // SQLite's integers are signed: a device or inode above 2^63 is stored as two's complement.
    const device = BigInt.asIntN(64, at.device);
    const inode = BigInt.asIntN(64, at.inode);
    const folder = [at.folder?.path ?? '', BigInt.asIntN(64, at.folder?.inode ?? 0n)] as const;
    const head = [at.head.bytes, at.head.hash] as const;
    const file = [device, inode, at.path, ...folder, ...head, Math.floor(at.birthMs), at.size] as const;
    const marks = at.markers.map(({ end, bytes, hash }) => [end, bytes, hash]);
    const seen = [at.ctimeNs, JSON.stringify(marks)] as const;
    const progress = [at.position, at.rangeEnd, at.lineState ?? UNKNOWN, JSON.stringify(at.ahead)] as const;
    this.#put.run(
      at.entryUid,
      at.generation,
      ...file,
      ...seen,
      at.first,
      at.firstReason ?? '',
      at.phase,
      ...progress,
      at.topic,
      at.partition,
      nowMs,
    );
  }
}

function fromRow(row: Record<string, SQLOutputValue>): Checkpoint {
  return {
    entryUid: String(row['entry_uid']),
    generation: String(row['generation']),
    device: BigInt.asUintN(64, row['device'] as bigint),
    inode: BigInt.asUintN(64, row['inode'] as bigint),
    path: String(row['path']),
    folder: folderFrom(row),
    head: { bytes: Number(row['head_bytes']), hash: String(row['head_hash']) },
    birthMs: Number(row['born_ms']),
    size: Number(row['size']),
    ctimeNs: row['touched_ns'] as bigint,
    markers: parseMarkers(String(row['markers'])),
    first: Number(row['first']),
    firstReason: String(row['first_reason']) === '' ? undefined : (String(row['first_reason']) as BeginReason),
    phase: String(row['phase']) as Phase,
    position: Number(row['position']),
    rangeEnd: Number(row['range_end']),
    lineState: Number(row['place']) === UNKNOWN ? undefined : (Number(row['place']) as LineState),
    ahead: parseAhead(String(row['ahead'])),
    topic: String(row['topic']),
    partition: Number(row['partition']),
  };
}

function parseMarkers(text: string): FileMarker[] {
  const markers = JSON.parse(text) as [end: number, bytes: number, hash: string][];
  return markers.map(([end, bytes, hash]) => ({ end, bytes, hash }));
}

/** Thousands of files may lie in one folder: one object for all takes less memory. */
function shared(folder: RealFolder, folders: Map<string, RealFolder>): RealFolder {
  const key = `${folder.inode} ${folder.path}`;
  const known = folders.get(key) ?? folder;
  folders.set(key, known);
  return known;
}

function folderFrom(row: Record<string, SQLOutputValue>): Checkpoint['folder'] {
  const path = String(row['folder_path']);
  return path === '' ? undefined : { path, inode: BigInt.asUintN(64, row['folder_inode'] as bigint) };
}
