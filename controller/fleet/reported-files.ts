import type { FileStatus } from '../../proto/gen/logfleet/v1/fleet.ts';

/** A FileStatus in a third of its memory: a fleet of ten thousand agents has hundreds of thousands of them. */
interface ReportedFile {
  id: string;
  entry: string;
  path: string;
  /** Where it is no part of the id. */
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
  /** Fields of a newer agent. */
  unknown: FileStatus['_unknownFields'];
}

/** What one file may be further in than others. */
export type Furthest = Pick<ReportedFile, 'lagSeconds' | 'lossForecastSeconds'>;

/** The files that one agent has reported. */
export class ReportedFiles {
  readonly #files = new Map<string, ReportedFile>();

  get size(): number {
    return this.#files.size;
  }

  clear(): void {
    this.#files.clear();
  }

  /** `entry`: the name, as others have it already. */
  set(status: FileStatus, entry: string): void {
    const former = this.#files.get(status.id);
    if (former) renew(former, status);
    else this.#files.set(status.id, renew(packed(status, entry), status));
  }

  delete(id: string): void {
    this.#files.delete(id);
  }

  /** The path of an entry's file that has most of something; empty when none has any. */
  furthest(entry: string, by: (file: Furthest) => number): string {
    let [path, most] = ['', 0];
    for (const file of this.#files.values()) {
      const value = file.entry === entry ? by(file) : 0;
      if (value > most) [path, most] = [file.path, value];
    }
    return path;
  }

  /** In the order of entry and path. */
  all(): FileStatus[] {
    const sorted = [...this.#files.values()].sort((a, b) => order(a.entry, b.entry) || order(a.path, b.path));
    return sorted.map(unpacked);
  }
}

function packed({ id, path, generation, device, inode }: FileStatus, entry: string): ReportedFile {
  return {
    ...{ id, entry, path, generation: id.endsWith(`/${generation}`) ? undefined : generation, device, inode },
    ...{ state: 'STATE_UNSPECIFIED', position: 0, size: 0, lagBytes: 0, bytesPerSecond: 0 },
    ...{
      lagSeconds: 0,
      lossForecastSeconds: 0,
      lastError: '',
      lastProgressMs: 0,
      replay: undefined,
      unknown: undefined,
    },
  };
}

/** What is as it was keeps its memory. Positions are below 2^53: the agent reads them as numbers. */
function renew(file: ReportedFile, status: FileStatus): ReportedFile {
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
  file.unknown = status._unknownFields;
  return file;
}

function unpacked(file: ReportedFile): FileStatus {
  const { id, entry, path, device, inode, state, bytesPerSecond, lagSeconds, lossForecastSeconds, lastError } = file;
  return {
    ...{ id, entry, path, generation: file.generation ?? id.slice(id.indexOf('/') + 1), device, inode, state },
    ...{ position: BigInt(file.position), size: BigInt(file.size), lagBytes: BigInt(file.lagBytes) },
    ...{ bytesPerSecond, lagSeconds, lossForecastSeconds, lastError, _unknownFields: file.unknown },
    ...(file.replay ?? { replayId: '', replayUntil: 0n }),
    lastProgressTime: file.lastProgressMs > 0 ? new Date(file.lastProgressMs) : undefined,
  };
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
