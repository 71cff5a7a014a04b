import { execFile } from 'node:child_process';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { errorCode, errorText } from '../../runtime/errors.ts';

const run = promisify(execFile);
const SIZE_MIB = 24;
const BLOCK_BYTES = 4096;

/** A small disk that can be filled. */
export interface StateDisk {
  fill(): Promise<void>;
  free(): Promise<void>;
  unmount(): Promise<void>;
}

/**
 * Mounts a small tmpfs at `folder`. Where that is not possible it prints why and returns undefined.
 */
export async function mountStateDisk(folder: string, say: (line: string) => void): Promise<StateDisk | undefined> {
  await mkdir(folder, { recursive: true });
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_MIB}m`, 'tmpfs', folder]);
  } catch (error) {
    say(`the fault full-disk is left out: a tmpfs can't be mounted here (${errorText(error).split('\n')[0]})`);
    return undefined;
  }
  const ballast = join(folder, 'ballast');
  return {
    fill: async () => {
      const file = await open(ballast, 'w');
      try {
        for (;;) await file.write(Buffer.alloc(BLOCK_BYTES));
      } catch (error) {
        if (errorCode(error) !== 'ENOSPC') throw error;
      } finally {
        await file.close();
      }
    },
    free: () => rm(ballast, { force: true }),
    // Unmount lazily: a process that was just killed may still hold it.
    unmount: async () => {
      await run('umount', ['-l', folder]);
    },
  };
}
