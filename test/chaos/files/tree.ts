import { type BigIntStats, type Dirent, lstatSync, readdirSync, statSync } from 'node:fs';
import { errorCode } from '../../../runtime/errors.ts';

/** How often the walk reads a folder by links, which may lead back. */
const VISITS_MAX = 3;

/**
 * Paths are strings of bytes (latin1), because names need not be UTF-8. This is a path as Node's
 * functions take it.
 */
export function raw(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}

export interface RealFile {
  path: string;
  inode: bigint;
  folder: bigint;
}

export interface Tree {
  /** Regular files by their paths without links, sorted. */
  files: RealFile[];
  /** Folders by their paths without links, sorted. */
  folders: string[];
  /** Symbolic links, sorted. */
  links: string[];
  /** Which inodes the globs match, by which paths. */
  matched: Map<bigint, string[]>;
  /** Paths that the globs match and that are not UTF-8. */
  notUtf8: string[];
}

/** What the folder has now, through links and without them. Paths are relative to `root`. */
export function readTree(root: string, globs: readonly string[]): Tree {
  const tree: Tree = { files: [], folders: [], links: [], matched: new Map(), notUtf8: [] };
  const patterns = globs.map(patternOf);
  const visits = new Map<bigint, number>();
  walk('', true);
  return tree;

  function walk(folder: string, isReal: boolean): void {
    const inode = statSync(raw(`${root}/${folder}`), { bigint: true }).ino;
    const before = visits.get(inode) ?? 0;
    if (!isReal) visits.set(inode, before + 1);
    if (!isReal && before >= VISITS_MAX) return;
    for (const entry of entriesOf(`${root}/${folder}`)) {
      const name = (entry.name as unknown as Buffer).toString('latin1');
      const path = folder === '' ? name : `${folder}/${name}`;
      const isLink = entry.isSymbolicLink();
      if (isLink && isReal) tree.links.push(path);
      const stats = statOrNot(`${root}/${path}`);
      if (stats?.isDirectory()) {
        if (isReal && !isLink) tree.folders.push(path);
        walk(path, isReal && !isLink);
      } else if (stats?.isFile()) {
        if (isReal && !isLink) tree.files.push({ path, inode: stats.ino, folder: inode });
        match(path, stats.ino);
      }
    }
  }

  function match(path: string, inode: bigint): void {
    if (!patterns.some((pattern) => pattern.test(path))) return;
    if (isUtf8(path)) tree.matched.set(inode, [...(tree.matched.get(inode) ?? []), path]);
    else tree.notUtf8.push(path);
  }
}

export function isUtf8(path: string): boolean {
  return !raw(path).toString('utf8').includes('\ufffd');
}

/** Whether something, a dangling link as well, is at the path. */
export function isThere(path: string): boolean {
  try {
    lstatSync(raw(path));
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

function entriesOf(folder: string): Dirent[] {
  const entries = readdirSync(raw(folder), { withFileTypes: true, encoding: 'buffer' }) as unknown as Dirent[];
  return entries.sort((a, b) => Buffer.compare(a.name as unknown as Buffer, b.name as unknown as Buffer));
}

function statOrNot(path: string): BigIntStats | undefined {
  try {
    return statSync(raw(path), { bigint: true });
  } catch (error) {
    if (['ENOENT', 'ELOOP'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}

function patternOf(glob: string): RegExp {
  const parts = glob
    .split('/')
    .map((part) => (part === '**' ? '**' : part.replace(/[.+]/g, '\\$&').replace(/\*/g, '[^/]*')));
  return new RegExp(`^${parts.join('/').replaceAll('**/', '(?:[^/]+/)*')}$`, 's');
}
