export interface Span {
  start: number;
  end: number;
}

/** The parts of a generation that were seen: sorted spans that don't touch. */
export class Coverage {
  readonly #spans: Span[] = [];

  /** Adds a span. Returns how many of its bytes had been seen before. */
  add(start: number, end: number): number {
    let first = this.#spans.length;
    while (first > 0 && (this.#spans[first - 1] as Span).end >= start) first--;
    let past = first;
    let seen = 0;
    const joined = { start, end };
    for (; past < this.#spans.length && (this.#spans[past] as Span).start <= end; past++) {
      const other = this.#spans[past] as Span;
      seen += Math.max(0, Math.min(end, other.end) - Math.max(start, other.start));
      joined.start = Math.min(joined.start, other.start);
      joined.end = Math.max(joined.end, other.end);
    }
    this.#spans.splice(first, past - first, joined);
    return seen;
  }

  /** Where the last span ends; 0 if there is none. */
  get end(): number {
    return this.#spans.at(-1)?.end ?? 0;
  }

  /** The parts between `from` and `to` that were not seen. */
  holes(from: number, to: number): Span[] {
    const found: Span[] = [];
    let at = from;
    for (const span of this.#spans) {
      if (span.end <= at) continue;
      if (span.start >= to) break;
      if (span.start > at) found.push({ start: at, end: span.start });
      at = span.end;
    }
    if (at < to) found.push({ start: at, end: to });
    return found;
  }
}
