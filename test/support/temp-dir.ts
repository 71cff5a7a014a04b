import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TempDir extends AsyncDisposable {
  path: string;
  /** A path in the folder. */
  at(...parts: string[]): string;
}

/** A folder for one test, deleted with its scope. `parent`: the folder in which it is made. */
export async function tempDir(name = 'test', parent = tmpdir()): Promise<TempDir> {
  const path = await mkdtemp(join(parent, `logfleet-${name}-`));
  return {
    path,
    at: (...parts) => join(path, ...parts),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }),
  };
}
