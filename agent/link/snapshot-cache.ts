import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { CodedError, errorCode } from '../../runtime/errors.ts';
import { writeDurably } from './write-durably.ts';

const VERSION = 1;

export class SnapshotCacheError extends CodedError<'UNREADABLE'> {}

/** The last desired state on disk, so that the agent collects from its start on, with or without a controller. */
export class SnapshotCache {
  readonly #file: string;

  constructor(stateDir: string) {
    this.#file = join(stateDir, 'desired.json');
  }

  /** The entries kept; undefined when there are none yet. Rejects with SnapshotCacheError when the file makes no sense. */
  async load(): Promise<Entry[] | undefined> {
    try {
      const kept = JSON.parse(await readFile(this.#file, 'utf8')) as { version: number; entries: unknown[] };
      if (kept.version !== VERSION) throw new Error(`format ${kept.version} is not known`);
      return kept.entries.map((entry) => Entry.fromJSON(entry));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw new SnapshotCacheError('UNREADABLE', `${this.#file} can't be used and is ignored`, { cause: error });
    }
  }

  async save(entries: readonly Entry[]): Promise<void> {
    const text = `${JSON.stringify({ version: VERSION, entries: entries.map(Entry.toJSON) }, undefined, 1)}\n`;
    await writeDurably(this.#file, text);
  }
}
