import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import type { StateDatabase } from './state-database.ts';

/** Differ between a machine and its clone: the ids of systemd and of the firmware (root only). */
const IDS = ['/etc/machine-id', '/sys/class/dmi/id/product_uuid'];

/**
 * Binds the state to this machine. Two agents with one producer id would lose lines silently, so
 * the ids in a state that was copied, by hand or with a cloned image, must not be used to send.
 * Returns false, and marks the ids as unusable, if the state is another machine's.
 */
export function bindToMachine(state: StateDatabase): boolean {
  const { db } = state;
  const here = machineHash(state.file);
  const row = db.prepare("SELECT value FROM meta WHERE key = 'machine'").get();
  if (row?.['value'] === here) return true;
  state.transaction(() => {
    db.prepare("INSERT OR REPLACE INTO meta VALUES ('machine', ?)").run(here);
    if (row) db.exec('UPDATE producer SET usable = 0');
  });
  return row === undefined;
}

/** A copied file has another inode, even on the same machine. */
function machineHash(file: string): string {
  const { ino } = statSync(file, { bigint: true });
  return createHash('sha256')
    .update([hostname(), ino, ...IDS.map(readIfPossible)].join('\n'))
    .digest('hex');
}

function readIfPossible(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    // Not every system has the file, and not every user may read it.
    return '';
  }
}
