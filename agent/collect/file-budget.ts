import { closeSync, readFileSync } from 'node:fs';
import { type FoundFile, foundFile } from './discovery.ts';
import { fstat, openToRead } from './file-io.ts';

/** Left for connections, the state, folders that are read, and whatever else the process opens. */
const RESERVE = 128;

/** How many files may be open at once. What would be one too many is told, and tried again at each scan. */
export class FileBudget {
  readonly #max: number;
  #open = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Opens a file to read it, and says what it is. Rejects when there may be no more, or it is no regular file. */
  async open(path: string): Promise<{ fd: number; file: FoundFile }> {
    this.#take();
    let fd: number | undefined;
    try {
      fd = await openToRead(path);
      const file = foundFile(path, await fstat(fd, { bigint: true }));
      if (file) return { fd, file };
      throw new Error('is no regular file any more');
    } catch (error) {
      if (fd === undefined) this.#open--;
      else this.close(fd);
      throw error;
    }
  }

  /** Closes a file that was opened here. */
  close(fd: number): void {
    closeSync(fd);
    this.#open--;
  }

  #take(): void {
    if (this.#open >= this.#max) {
      const remedy = 'raise the limit (ulimit -n, or LimitNOFILE in the unit) and restart the agent, or collect fewer';
      throw new Error(
        `not opened: ${this.#open} files are open, as many as the limit of this process allows: ${remedy}`,
      );
    }
    this.#open++;
  }
}

/** What this process's limit on open files (RLIMIT_NOFILE, which Node raises as far as it may) leaves for files that are read. */
export function openFilesMax(): number {
  const limit = descriptorLimit();
  return limit > 4 * RESERVE ? limit - RESERVE : Math.floor(limit / 2);
}

function descriptorLimit(): number {
  try {
    const [, soft = ''] = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return Number(soft) || Number.POSITIVE_INFINITY;
  } catch {
    // Not Linux: the system itself says when there are too many.
    return Number.POSITIVE_INFINITY;
  }
}
