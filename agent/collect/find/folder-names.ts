import { isUtf8 } from 'node:buffer';
import { type Dirent, readdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';

const NAMES = { withFileTypes: true } as const;
const RAW_NAMES = { withFileTypes: true, encoding: 'buffer' } as const;
/** Node replaces bytes that are not UTF-8 by this character, which a name may also have itself. */
const REPLACEMENT = '\uFFFD';

/** One name in a folder. */
export interface FolderName extends Pick<Dirent, 'name' | 'isFile' | 'isDirectory' | 'isSymbolicLink'> {
  /**
   * Set if the name is not UTF-8, so that no string can open it: the name with `\xff` for such
   * bytes. It differs where `name` does not.
   */
  notUtf8?: string;
}

/** The names in a folder. `local`: it is on a local file system and may be read synchronously. */
export async function namesIn(path: string, local: boolean): Promise<FolderName[]> {
  const names = local ? readdirSync(path, NAMES) : await readdir(path, NAMES);
  if (!names.some(({ name }) => name.includes(REPLACEMENT))) return names;
  const raw = local ? readdirSync(path, RAW_NAMES) : await readdir(path, RAW_NAMES);
  return raw.map((entry) => ({
    name: entry.name.toString(),
    isFile: () => entry.isFile(),
    isDirectory: () => entry.isDirectory(),
    isSymbolicLink: () => entry.isSymbolicLink(),
    ...(!isUtf8(entry.name) && { notUtf8: escapeName(entry.name) }),
  }));
}

/** Replaces each byte that is not printable ASCII by `\xff`. */
function escapeName(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replace(/[^ -~]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
