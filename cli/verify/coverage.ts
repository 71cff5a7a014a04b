/** The position of a record in Kafka. */
export interface RecordPosition {
  topic: string;
  partition: number;
  offset: bigint;
}

/** Bytes `[start, end)` of a generation. */
export interface Range {
  start: number;
  end: number;
}

/** Bytes without a gap, and the record that starts it. */
interface Run extends Range {
  place: RecordPosition;
}

/**
 * The bytes of one generation that records cover. Adjacent ranges are merged, so memory grows with
 * gaps only.
 */
export class Coverage {
  readonly #runs: Run[] = [];

  get first(): number | undefined {
    return this.#runs[0]?.start;
  }

  get end(): number {
    return this.#runs.at(-1)?.end ?? 0;
  }

  /** Adds a record's range. Returns its parts that were already covered. */
  add({ start, end }: Range, place: RecordPosition): Range[] {
    if (end <= start) return [];
    const last = this.#runs.at(-1);
    if (last && start === last.end) {
      last.end = end;
      return [];
    }
    const from = this.#firstEndingAtOrAfter(start);
    const before: Range[] = [];
    const merged: Run = { start, end, place };
    let to = from;
    for (let run = this.#runs[to]; run && run.start <= end; run = this.#runs[++to]) {
      const common = { start: Math.max(start, run.start), end: Math.min(end, run.end) };
      if (common.end > common.start) before.push(common);
      if (run.start < merged.start) [merged.start, merged.place] = [run.start, run.place];
      merged.end = Math.max(merged.end, run.end);
    }
    this.#runs.splice(from, to - from, merged);
    return before;
  }

  /** The parts of `[start, end)` that are not covered, each with the record after the gap. */
  gaps({ start, end }: Range): (Range & { before: RecordPosition | undefined })[] {
    const gaps: (Range & { before: RecordPosition | undefined })[] = [];
    let at = start;
    for (const run of this.#runs) {
      if (run.end <= at) continue;
      if (run.start >= end) break;
      if (run.start > at) gaps.push({ start: at, end: run.start, before: run.place });
      at = run.end;
    }
    if (at < end) gaps.push({ start: at, end, before: this.#runs.find((run) => run.start >= end)?.place });
    return gaps;
  }

  #firstEndingAtOrAfter(position: number): number {
    let [low, high] = [0, this.#runs.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#runs[middle] as Run).end < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
