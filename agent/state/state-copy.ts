import { existsSync, readdirSync, renameSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { backup, type DatabaseSync } from 'node:sqlite';

/** SQLite's own names for what belongs to a database file. */
const PARTS = ['', '-wal', '-shm'];
const ASIDE = '.unreadable-';

export function copyOf(file: string): string {
  return `${file}.copy`;
}

/** Makes a copy of the database beside it, on the disk and whole at any time, to begin from when the database can't be read any more. */
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

/** Puts a database that can't be read aside, and its last copy in its place. Returns where it is now, and whether there was a copy. */
export function restoreState(file: string, nowMs: number): { aside: string; copied: boolean } {
  const aside = `${file}${ASIDE}${new Date(nowMs).toISOString().replace(/[:.]/g, '-')}`;
  for (const part of PARTS) if (existsSync(file + part)) renameSync(file + part, aside + part);
  const copied = existsSync(copyOf(file));
  if (copied) renameSync(copyOf(file), file);
  return { aside, copied };
}

/** Whether a database that could not be read was put aside here. */
export function hasAside(file: string): boolean {
  return readdirSync(dirname(file)).some((name) => name.startsWith(basename(file) + ASIDE));
}

/**
 * Whether what was in the database is lost: a file without a byte, where there was one worth a copy, or none, where a process that put it aside was
 * killed before the copy had its place.
 */
export function isEmptied(file: string): boolean {
  return existsSync(copyOf(file)) && !(existsSync(file) && statSync(file).size > 0);
}
