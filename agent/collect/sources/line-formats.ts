import {
  type FormatFacts,
  type LineFormat,
  lineFormat,
  type SharedFormat,
  sharedFormat,
} from '../../encode/line-format.ts';
import type { Source } from './source.ts';

/** Makes the format of a source's lines; `path` is what they are told to come from. */
export type FormatOf = (source: Source, path: string) => LineFormat;

/** So many sources keep theirs from one read to the next. */
const KEPT = 2_048;
/** How often those that are closed are let go of. */
const SWEEP = 64;

/** Makes the formats of an entry's sources when they are read. */
export class LineFormats {
  readonly forSource: FormatOf;
  /** The one that was made first is the first. */
  readonly #made = new Set<Source>();
  #times = 0;

  constructor(facts: FormatFacts) {
    let shared: SharedFormat | undefined;
    this.forSource = (source, path) => {
      this.#keep(source);
      // An entry that is refused may have facts of which no format can be made.
      shared ??= sharedFormat(facts);
      return lineFormat(shared, { path, generation: source.generation });
    };
  }

  #keep(source: Source): void {
    this.#made.add(source);
    if (++this.#times % SWEEP === 0) for (const one of this.#made) if (one.state === 'CLOSED') this.#made.delete(one);
    const [first] = this.#made;
    if (!first || this.#made.size <= KEPT) return;
    this.#made.delete(first);
    first.rest();
  }
}
