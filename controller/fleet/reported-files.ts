import type { FileStateChange, FileStatus } from '../../proto/gen/logfleet/v1/fleet.ts';

/**
 * A FileStatus in a third of the memory. Ten thousand agents have hundreds of thousands of them.
 */
interface ReportedFile {
  id: string;
  entry: string;
  path: string;
  /** Undefined when the id ends in it. */
  generation: string | undefined;
  device: bigint;
  inode: bigint;
  state: FileStatus['state'];
  position: number;
  size: number;
  lagBytes: number;
  bytesPerSecond: number;
  lastError: string;
  lastProgressMs: number;
  replay: { replayId: string; replayUntil: bigint } | undefined;
  lagSeconds: number;
  lossForecastSeconds: number;
  history: readonly FileStateChange[];
  /** Fields that only newer agents know. */
  unknown: FileStatus['_unknownFields'];
}

/** The most changes that are kept of a file. */
const CHANGES_MAX = 5;
/** Most agents report the same few states and reasons. */
const TEXTS_MAX = 1_000;
const texts = new Map<string, string>();

/** The fields by which files are compared. */
export type FileUrgency = Pick<ReportedFile, 'lagSeconds' | 'lossForecastSeconds'>;

/** The files that an agent has reported. */
export class ReportedFiles {
  readonly #files = new Map<string, ReportedFile>();

  get size(): number {
    return this.#files.size;
  }

  clear(): void {
    this.#files.clear();
  }

  /** `entry`: an interned copy of the entry's name. */
  set(status: FileStatus, entry: string): void {
    const known = this.#files.get(status.id);
    if (known) update(known, status);
    else this.#files.set(status.id, update(newFile(status, entry), status));
  }

  delete(id: string): void {
    this.#files.delete(id);
  }

  /** The path of an entry's file with the highest `urgency`; empty when none has any. */
  mostUrgent(entry: string, urgency: (file: FileUrgency) => number): string {
    let [path, most] = ['', 0];
    for (const file of this.#files.values()) {
      const value = file.entry === entry ? urgency(file) : 0;
      if (value > most) [path, most] = [file.path, value];
    }
    return path;
  }

  /** Sorted by entry and path. */
  all(): FileStatus[] {
    const sorted = [...this.#files.values()].sort((a, b) => compare(a.entry, b.entry) || compare(a.path, b.path));
    return sorted.map(toStatus);
  }
}

function newFile({ id, path, generation, device, inode }: FileStatus, entry: string): ReportedFile {
  return {
    ...{ id, entry, path, generation: id.endsWith(`/${generation}`) ? undefined : generation, device, inode },
    ...{ state: 'STATE_UNSPECIFIED', position: 0, size: 0, lagBytes: 0, bytesPerSecond: 0 },
    ...{
      lagSeconds: 0,
      lossForecastSeconds: 0,
      lastError: '',
      lastProgressMs: 0,
      replay: undefined,
      history: [],
      unknown: undefined,
    },
  };
}

/**
 * Keeps unchanged strings, to save memory. Positions are below 2^53: agents read them as numbers.
 */
function update(file: ReportedFile, status: FileStatus): ReportedFile {
  if (file.path !== status.path) file.path = status.path;
  if (file.device !== status.device) file.device = status.device;
  if (file.inode !== status.inode) file.inode = status.inode;
  if (file.lastError !== status.lastError) file.lastError = status.lastError;
  file.state = status.state;
  file.position = Number(status.position);
  file.size = Number(status.size);
  file.lagBytes = Number(status.lagBytes);
  file.bytesPerSecond = status.bytesPerSecond;
  file.lastProgressMs = status.lastProgressTime?.getTime() ?? 0;
  const { replayId, replayUntil } = status;
  file.replay = replayId === '' ? undefined : { replayId, replayUntil };
  file.lagSeconds = status.lagSeconds;
  file.lossForecastSeconds = status.lossForecastSeconds;
  file.history = status.history.slice(-CHANGES_MAX).map(sharedChange);
  file.unknown = status._unknownFields;
  return file;
}

function toStatus(file: ReportedFile): FileStatus {
  const { id, entry, path, device, inode, state, bytesPerSecond, lagSeconds, lossForecastSeconds, lastError } = file;
  return {
    ...{ id, entry, path, generation: file.generation ?? id.slice(id.indexOf('/') + 1), device, inode, state },
    ...{ position: BigInt(file.position), size: BigInt(file.size), lagBytes: BigInt(file.lagBytes) },
    ...{ bytesPerSecond, lagSeconds, lossForecastSeconds, lastError, _unknownFields: file.unknown },
    ...(file.replay ?? { replayId: '', replayUntil: 0n }),
    history: [...file.history],
    lastProgressTime: file.lastProgressMs > 0 ? new Date(file.lastProgressMs) : undefined,
  };
}

function sharedChange({ time, state, reason }: FileStateChange): FileStateChange {
  return { time, state: shared(state), reason: shared(reason) };
}

/** One copy of each of the first texts. */
function shared(text: string): string {
  const known = texts.get(text);
  if (known === undefined && texts.size < TEXTS_MAX) texts.set(text, text);
  return known ?? text;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
