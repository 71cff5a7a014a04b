import type { RecordBuffer } from '../../encode/record-buffer.ts';

/** A source, as far as a tap knows it. */
export interface TappedSource {
  path: string;
  generation: string;
  events: { taps?: EntryTaps | undefined };
}

/** Lines that were read in one turn of a source. */
export interface TappedRun {
  /** Where they are in the file. */
  start: number;
  end: number;
  /** Records made of them. */
  lines: number;
}

/** Looks on while lines are read. It keeps nothing of `records`, which are used again, is quick, and never throws. */
export type Tap = (source: TappedSource, run: TappedRun, records: RecordBuffer, from: number) => void;

/** Who looks on while the lines of one entry are read: mostly nobody, and then it costs a look at a flag for each chunk. */
export class EntryTaps {
  readonly #taps = new Set<Tap>();
  hasTaps = false;

  /** Returns what ends it. */
  add(tap: Tap): () => void {
    this.#taps.add(tap);
    this.hasTaps = true;
    return () => {
      this.#taps.delete(tap);
      this.hasTaps = this.#taps.size > 0;
    };
  }

  /** `run` was read, and its records begin at `from`. */
  notify(source: TappedSource, run: TappedRun, records: RecordBuffer, from: number): void {
    for (const tap of this.#taps) tap(source, run, records, from);
  }
}
