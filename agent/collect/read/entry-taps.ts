import type { RecordBuffer } from '../../encode/record-buffer.ts';

/** What a tap sees of a source. */
export interface TappedSource {
  path: string;
  generation: string;
  taps: EntryTaps | undefined;
}

/** The lines that were read in one turn of a source. */
export interface TappedRun {
  /** Positions in the file, bytes. */
  start: number;
  end: number;
  /** The number of records. */
  lines: number;
}

/**
 * Sees lines as they are read. It must be fast and never throw, and it must copy what it keeps of
 * `records`: the buffer is reused.
 */
export type Tap = (source: TappedSource, run: TappedRun, records: RecordBuffer, from: number) => void;

/** The taps of one entry. Mostly there are none, which costs the check of a flag for each chunk. */
export class EntryTaps {
  readonly #taps = new Set<Tap>();
  hasTaps = false;

  /** Returns a function that removes the tap. */
  add(tap: Tap): () => void {
    this.#taps.add(tap);
    this.hasTaps = true;
    return () => {
      this.#taps.delete(tap);
      this.hasTaps = this.#taps.size > 0;
    };
  }

  /** Shows `run` to all taps. Its records begin at offset `from` of `records`. */
  notify(source: TappedSource, run: TappedRun, records: RecordBuffer, from: number): void {
    for (const tap of this.#taps) tap(source, run, records, from);
  }
}
