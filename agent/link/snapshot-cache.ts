import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { CodedError, errorCode } from '../../runtime/errors.ts';
import { writeDurably } from './write-durably.ts';

const VERSION = 1;

export class SnapshotCacheError extends CodedError<'UNREADABLE'> {}

/**
 * The last desired state on disk, so that an agent that starts without a controller collects at
 * once.
 */
export class SnapshotCache {
  readonly #file: string;

  constructor(stateDir: string) {
    this.#file = join(stateDir, 'desired.json');
  }

  /**
   * The stored entries; undefined if there are none yet. Rejects with SnapshotCacheError if the
   * file is invalid.
   */
  async load(): Promise<Entry[] | undefined> {
    try {
      const stored = JSON.parse(await readFile(this.#file, 'utf8')) as { version: number; entries: unknown[] };
      if (stored.version !== VERSION) throw new Error(`version ${stored.version} is unknown: expected ${VERSION}`);
      return stored.entries.map((entry) => Entry.fromJSON(entry));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw new SnapshotCacheError('UNREADABLE', `the stored desired state ${this.#file} is ignored`, { cause: error });
    }
  }

  async save(entries: readonly Entry[]): Promise<void> {
    const text = `${JSON.stringify({ version: VERSION, entries: entries.map(Entry.toJSON) }, undefined, 1)}\n`;
    await writeDurably(this.#file, text);
  }
}
