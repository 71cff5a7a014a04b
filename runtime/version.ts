import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The package's version, from the nearest package.json above this file. The sources and `dist/`
 * have different depths below it.
 */
export const version: string = findVersion(import.meta.dirname);

function findVersion(folder: string): string {
  try {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
    return manifest.version;
  } catch (error) {
    const parent = dirname(folder);
    if (parent === folder)
      throw new Error('the package.json of logfleet is missing: reinstall the package', { cause: error });
    return findVersion(parent);
  }
}
