import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../runtime/errors.ts';

/** Where built servers are kept: LOGFLEET_CACHE, or `.cache` in the checkout. */
export function cacheFolder(): string {
  return process.env['LOGFLEET_CACHE'] ?? join(import.meta.dirname, '..', '.cache');
}

/**
 * The folder `name` of the cache, filled by `build` when it is not there yet. The build goes to a folder of its own that is renamed
 * when it is whole: a build that was broken off leaves nothing, and of two at once the first one wins.
 */
export async function cached(name: string, build: (folder: string) => Promise<void>): Promise<string> {
  const cache = cacheFolder();
  const target = join(cache, name);
  if (await exists(target)) return target;
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, `${name}.building-`));
  try {
    await build(folder);
    await rename(folder, target);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    if (!['ENOTEMPTY', 'EEXIST'].includes(errorCode(error) ?? '')) throw error;
  }
  return target;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
