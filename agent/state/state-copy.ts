import { existsSync, readdirSync, renameSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { backup, type DatabaseSync } from 'node:sqlite';

/** The suffixes of the files of a SQLite database. */
const PARTS = ['', '-wal', '-shm'];
const ASIDE = '.unreadable-';

export function copyOf(file: string): string {
  return `${file}.copy`;
}

/**
 * Copies the database to a file next to it, for use if the database becomes unreadable. The copy is
 * complete at any time.
 */
export async function copyState(db: DatabaseSync, file: string): Promise<void> {
  const unfinished = `${copyOf(file)}.new`;
  await rm(unfinished, { force: true });
  await backup(db, unfinished);
  const handle = await open(unfinished, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(unfinished, copyOf(file));
}

/**
 * Moves an unreadable database aside and its last copy into its place. Returns where the database
 * is now, and whether there was a copy.
 */
export function restoreState(file: string, nowMs: number): { aside: string; copied: boolean } {
  const aside = `${file}${ASIDE}${new Date(nowMs).toISOString().replace(/[:.]/g, '-')}`;
  for (const part of PARTS) if (existsSync(file + part)) renameSync(file + part, aside + part);
  const copied = existsSync(copyOf(file));
  if (copied) renameSync(copyOf(file), file);
  return { aside, copied };
}

/** Whether an unreadable database was moved aside here. */
export function hasAside(file: string): boolean {
  return readdirSync(dirname(file)).some((name) => name.startsWith(basename(file) + ASIDE));
}

/**
 * Whether the database's content is lost although there is a copy. Either the file is empty, or it
 * is missing because a process moved it aside and was killed before it moved the copy.
 */
export function isEmptied(file: string): boolean {
  return existsSync(copyOf(file)) && !(existsSync(file) && statSync(file).size > 0);
}
