import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TempDir extends AsyncDisposable {
  path: string;
  /** A path in the folder. */
  at(...parts: string[]): string;
}

/** A folder for one test, deleted with its scope. */
export async function tempDir(name = 'test'): Promise<TempDir> {
  const path = await mkdtemp(join(tmpdir(), `logfleet-${name}-`));
  return {
    path,
    at: (...parts) => join(path, ...parts),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }),
  };
}
