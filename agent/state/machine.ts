import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import type { StateDatabase } from './state-database.ts';

/** What differs between a machine and its clone, where one of them is set up at all: systemd's id, and the firmware's (root only). */
const IDS = ['/etc/machine-id', '/sys/class/dmi/id/product_uuid'];

/**
 * Binds the state to this machine. Two writers with one producer id lose lines without a word: a state that was copied, with a cloned
 * image or by hand, must not send by the ids in it. Returns false, and marks the ids as not usable, when the state is another's.
 */
export function bindToMachine(state: StateDatabase): boolean {
  const { db } = state;
  const here = fingerprint(state.file);
  const row = db.prepare("SELECT value FROM meta WHERE key = 'machine'").get();
  if (row?.['value'] === here) return true;
  state.transaction(() => {
    db.prepare("INSERT OR REPLACE INTO meta VALUES ('machine', ?)").run(here);
    if (row) db.exec('UPDATE producer SET usable = 0');
  });
  return row === undefined;
}

/** A copy has another inode, even beside its original. */
function fingerprint(file: string): string {
  const { ino } = statSync(file, { bigint: true });
  return createHash('sha256')
    .update([hostname(), ino, ...IDS.map(readOrNothing)].join('\n'))
    .digest('hex');
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    // Not every system has it, and not every user may read it.
    return '';
  }
}
