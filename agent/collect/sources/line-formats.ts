import {
  type FormatFacts,
  type LineFormat,
  lineFormat,
  type SharedFormat,
  sharedFormat,
} from '../../encode/line-format.ts';

/** What a format is made for. */
export interface FormattedSource {
  readonly generation: string;
  readonly isClosed: boolean;
  /** Frees the format. */
  releaseCaches(): void;
}

/** Makes the format of a source's lines. `path` is the path that their headers name. */
export type FormatOf = (source: FormattedSource, path: string) => LineFormat;

/** How many sources keep their format from one read to the next. */
const KEPT_MAX = 2_048;
/** Closed sources are dropped each time so many formats were made. */
const SWEEP_INTERVAL = 64;

/** Makes the formats of an entry's sources, each when its source first reads. */
export class LineFormats {
  readonly forSource: FormatOf;
  /** The sources that keep a format. The oldest is first. */
  readonly #made = new Set<FormattedSource>();
  #times = 0;

  constructor(facts: FormatFacts) {
    let shared: SharedFormat | undefined;
    this.forSource = (source, path) => {
      this.#keep(source);
      // Made only now: an invalid entry may have facts that allow no format.
      shared ??= sharedFormat(facts);
      return lineFormat(shared, { path, generation: source.generation });
    };
  }

  #keep(source: FormattedSource): void {
    this.#made.add(source);
    if (++this.#times % SWEEP_INTERVAL === 0) for (const one of this.#made) if (one.isClosed) this.#made.delete(one);
    const [first] = this.#made;
    if (!first || this.#made.size <= KEPT_MAX) return;
    this.#made.delete(first);
    first.releaseCaches();
  }
}
