import type { FileStatus } from '../../proto/gen/logfleet/v1/fleet.ts';

/** A FileStatus in a third of its memory: a fleet of ten thousand agents has hundreds of thousands of them. */
interface ReportedFile {
  id: string;
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
  /** Fields of a newer agent. */
  unknown: FileStatus['_unknownFields'];
}

/** The files that one agent has reported. */
export class ReportedFiles {
  /** By entry, whose name they share, then by id. */
  readonly #byEntry = new Map<string, Map<string, ReportedFile>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  clear(): void {
    this.#byEntry.clear();
    this.#size = 0;
  }

  /** `entry`: the name, as others have it already. */
  set(status: FileStatus, entry: string): void {
    let files = this.#byEntry.get(entry);
    if (!files) {
      files = new Map();
      this.#byEntry.set(entry, files);
    }
    const former = files.get(status.id);
    if (former) renew(former, status);
    else {
      files.set(status.id, renew(packed(status), status));
      this.#size++;
    }
  }

  delete(id: string): void {
    for (const [entry, files] of this.#byEntry) {
      if (!files.delete(id)) continue;
      this.#size--;
      if (files.size === 0) this.#byEntry.delete(entry);
      return;
    }
  }

  /** In the order of entry and path. */
  all(): FileStatus[] {
    const entries = [...this.#byEntry].sort(([a], [b]) => order(a, b));
    return entries.flatMap(([entry, files]) =>
      [...files.values()].sort((a, b) => order(a.path, b.path)).map((file) => unpacked(file, entry)),
    );
  }
}

function packed({ id, path, generation, device, inode }: FileStatus): ReportedFile {
  return {
    ...{ id, path, generation: id.endsWith(`/${generation}`) ? undefined : generation, device, inode },
    ...{ state: 'STATE_UNSPECIFIED', position: 0, size: 0, lagBytes: 0, bytesPerSecond: 0 },
    ...{ lastError: '', lastProgressMs: 0, unknown: undefined },
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
  file.unknown = status._unknownFields;
  return file;
}

function unpacked(file: ReportedFile, entry: string): FileStatus {
  const { id, path, device, inode, state, bytesPerSecond, lastError } = file;
  return {
    ...{ id, entry, path, generation: file.generation ?? id.slice(id.indexOf('/') + 1), device, inode, state },
    ...{ position: BigInt(file.position), size: BigInt(file.size), lagBytes: BigInt(file.lagBytes) },
    ...{ bytesPerSecond, lastError, _unknownFields: file.unknown },
    lastProgressTime: file.lastProgressMs > 0 ? new Date(file.lastProgressMs) : undefined,
  };
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
