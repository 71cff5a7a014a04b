import type { Lines } from './lines.ts';

const COUNT_MAX = 255;

/** What has arrived of one generation of a writer's file: a count for each line. */
export class LifeSeen {
  readonly writer: string;
  readonly life: number;
  /** The generation's ids in the records' headers. */
  readonly generations = new Set<string>();
  altered = 0;
  readonly #lines: Lines;
  /** Where each line begins, as far as it was computed. */
  readonly #starts = [0];
  #counts = new Uint8Array(256);

  constructor(writer: string, life: number, lines: Lines) {
    this.writer = writer;
    this.life = life;
    this.#lines = lines;
  }

  text(line: number): Buffer {
    return this.#lines.text({ writer: this.writer, life: this.life, line });
  }

  /** Where a line begins, which is where the previous one ends. */
  startOf(line: number): number {
    for (let next = this.#starts.length; next <= line; next++)
      this.#starts.push((this.#starts[next - 1] as number) + this.text(next - 1).length + 1);
    return this.#starts[line] as number;
  }

  /** The line that begins exactly at `start`, if any. */
  lineAt(start: number): number | undefined {
    while ((this.#starts.at(-1) as number) < start) this.startOf(this.#starts.length);
    let [low, high] = [0, this.#starts.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#starts[middle] as number) < start) low = middle + 1;
      else high = middle;
    }
    return this.#starts[low] === start ? low : undefined;
  }

  count(line: number): void {
    if (line >= this.#counts.length) {
      const grown = new Uint8Array(Math.max(line + 1, 2 * this.#counts.length));
      grown.set(this.#counts);
      this.#counts = grown;
    }
    this.#counts[line] = Math.min(COUNT_MAX, (this.#counts[line] as number) + 1);
  }

  /** How often a line has arrived. */
  timesOf(line: number): number {
    return this.#counts[line] ?? 0;
  }

  /** The index of the last line that arrived, plus one. */
  get linesSeen(): number {
    for (let at = this.#counts.length; at > 0; at--) if (this.#counts[at - 1] !== 0) return at;
    return 0;
  }
}
