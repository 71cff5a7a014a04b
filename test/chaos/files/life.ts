import { HOLE_BYTES_MIN } from '../../../agent/model/hole.ts';
import type { Span } from '../../support/coverage.ts';

const NEWLINE = 0x0a;

/** A time span in ms, monotonic; open-ended while it lasts. */
export interface Period {
  fromMs: number;
  toMs: number;
}

export interface NearPeriod extends Period {
  /** Since when it was in the folder, and matched. */
  sinceMs: number;
}

export interface Line extends Span {
  /** When its last byte was in the file, ms, monotonic. */
  atMs: number;
}

/**
 * What the writer knows of one content of one inode, from its creation or truncation to its end:
 * its bytes, when each was there, and when it lay where.
 */
export class Life {
  readonly id: number;
  /** `archive` and `huge` have no lines that anyone could expect. */
  readonly kind: 'text' | 'archive' | 'huge';
  readonly bornAtMs: number;
  /** The content that this one replaced in the same inode. */
  readonly previous: Life | undefined;
  /** The content that the first `size` bytes were copied from. */
  readonly copyOf: { life: Life; size: number } | undefined;
  /** NULs that nobody wrote. */
  readonly holes: Span[] = [];
  /** When the entry's globs matched it. */
  readonly matched: Period[] = [];
  /** When it lay in a folder in which the globs matched it before, although they don't now. */
  readonly near: NearPeriod[] = [];
  /** Each path that led to it within the globs, absolute. */
  readonly paths = new Set<string>();
  /**
   * The folder in which the globs matched it last, and since when. undefined: it had several names,
   * or lay elsewhere since.
   */
  folder: { inode: bigint; sinceMs: number } | undefined;
  end: { atMs: number; how: 'truncated' | 'deleted' | 'overwritten' } | undefined;
  /** How many lines its writer began, to number them. */
  linesBegun = 0;
  #bytes = Buffer.alloc(0);
  readonly #arrivals: { end: number; atMs: number }[] = [];

  constructor(
    id: number,
    atMs: number,
    { kind = 'text', previous, copyOf }: Partial<Pick<Life, 'kind' | 'previous' | 'copyOf'>> = {},
  ) {
    this.id = id;
    this.bornAtMs = atMs;
    this.kind = kind;
    this.previous = previous;
    this.copyOf = copyOf;
  }

  get size(): number {
    return this.#bytes.length;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Whether the last byte ends a line. */
  get isTerminated(): boolean {
    return this.size === 0 || this.#bytes[this.size - 1] === NEWLINE;
  }

  /** Its sizes so far, after each time that its writer wrote. */
  get sizes(): number[] {
    return this.#arrivals.map(({ end }) => end);
  }

  append(bytes: Buffer, atMs: number): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    this.#arrivals.push({ end: this.size, atMs });
  }

  /** Bytes that nobody wrote, before what comes next. Few of them, or amid a line, are content. */
  appendHole(length: number, atMs: number): void {
    if (length <= 0) return;
    if (length >= HOLE_BYTES_MIN && this.isTerminated) this.holes.push({ start: this.size, end: this.size + length });
    this.append(Buffer.alloc(length), atMs);
  }

  /** When it was written to, ms, monotonic. */
  growthsIn(fromMs: number, toMs: number): number[] {
    return this.#arrivals.map(({ atMs }) => atMs).filter((atMs) => fromMs < atMs && atMs < toMs);
  }

  /** How many bytes it had at a time. */
  sizeAt(atMs: number): number {
    return this.#arrivals.findLast((arrival) => arrival.atMs <= atMs)?.end ?? 0;
  }

  /** Its terminated lines, without the holes before them. */
  lines(): Line[] {
    if (this.kind !== 'text') return [];
    const lines: Line[] = [];
    let arrival = 0;
    for (let start = 0; start < this.size; ) {
      start = this.holes.find((hole) => hole.start <= start && start < hole.end)?.end ?? start;
      const newline = this.#bytes.indexOf(NEWLINE, start);
      if (newline < 0) break;
      const end = newline + 1;
      while ((this.#arrivals[arrival] as { end: number }).end < end) arrival++;
      lines.push({ start, end, atMs: (this.#arrivals[arrival] as { atMs: number }).atMs });
      start = end;
    }
    return lines;
  }

  /** How many bytes at the beginning equal those of another life. */
  sharedPrefix(other: Life): number {
    const most = Math.min(this.size, other.size);
    for (let at = 0; at < most; at++) if (this.#bytes[at] !== other.bytes[at]) return at;
    return most;
  }
}

/** Extends the last period, or begins one with `more`. `isOn`: whether it holds from now on. */
export function extend<T extends Period>(
  periods: T[],
  isOn: boolean,
  nowMs: number,
  more?: Omit<T, keyof Period>,
): void {
  const last = periods.at(-1);
  const isOpen = last?.toMs === Number.POSITIVE_INFINITY;
  if (isOn && !isOpen) periods.push({ fromMs: nowMs, toMs: Number.POSITIVE_INFINITY, ...more } as T);
  if (!isOn && isOpen) (last as Period).toMs = nowMs;
}
