import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../runtime/errors.ts';

/** The folder for servers that were built: LOGFLEET_CACHE, or `.cache` in the checkout. */
export function cacheFolder(): string {
  return process.env['LOGFLEET_CACHE'] ?? join(import.meta.dirname, '..', '.cache');
}

/**
 * Returns the folder `name` of the cache. If it does not exist, `build` fills a temporary folder,
 * which is renamed when it is complete. So an interrupted build leaves nothing behind, and of two
 * concurrent builds the first one is kept.
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
