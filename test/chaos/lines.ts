import { seeded, subSeed } from '../support/random.ts';

/** Identifies a line: writer, generation, number. */
export interface LineId {
  writer: string;
  life: number;
  line: number;
}

/**
 * The lines that writers write, computed from the seed alone, so that the bytes of a long run need
 * not be kept. `wild` has empty lines, NULs, bytes that are not UTF-8, carriage returns and long
 * lines. `plain` is printable ASCII, for collectors that promise no more.
 */
export type LineText = 'wild' | 'plain';

const POOL_BYTES = 64 * 1024;
const NEWLINE = 0x0a;
/** Neither a newline nor a space: text must not look like another line's beginning. */
const SUBSTITUTE = 0x2e;
const ID_BYTES_MAX = 64;
/**
 * Generations begin differently, and an empty line does not identify itself: the first line is
 * never empty.
 */
const EMPTY_SHARE = 0.02;
const WILD_SHARE = 0.05;
const LONG_SHARE = 0.0005;

export class Lines {
  readonly #seed: number;
  readonly #text: LineText;
  readonly #printable: Buffer;
  readonly #wild: Buffer;

  constructor(seed: number, text: LineText) {
    this.#seed = seed;
    this.#text = text;
    const random = seeded(subSeed(seed, 'pool'));
    this.#printable = Buffer.from(Array.from({ length: POOL_BYTES }, () => random.between(0x21, 0x7e)));
    const wild = Array.from({ length: POOL_BYTES }, () => random.between(0, 255));
    this.#wild = Buffer.from(wild.map((byte) => (byte === NEWLINE ? SUBSTITUTE : byte)));
  }

  /** The line without its newline. */
  text({ writer, life, line }: LineId): Buffer {
    const random = seeded(subSeed(this.#seed, writer, life, line));
    const kind = this.#text === 'wild' ? random.next() : 1;
    if (kind < EMPTY_SHARE && line > 0) return Buffer.alloc(0);
    const isLong = kind > 1 - LONG_SHARE && kind < 1;
    const length = isLong ? random.between(8_000, 60_000) : random.between(20, 180);
    const at = random.between(0, POOL_BYTES - length);
    const pool = kind < EMPTY_SHARE + WILD_SHARE ? this.#wild : this.#printable;
    const head = `${writer} ${life} ${line} `;
    const text = Buffer.allocUnsafe(head.length + length);
    text.write(head, 'latin1');
    pool.copy(text, head.length, at, at + length);
    return text;
  }
}

/** The line that a value says it is; undefined if it does not say. */
export function lineIdOf(value: Buffer): LineId | undefined {
  const match = /^([a-z][a-z0-9-]*) (\d+) (\d+) /.exec(value.toString('latin1', 0, ID_BYTES_MAX));
  return match ? { writer: match[1] as string, life: Number(match[2]), line: Number(match[3]) } : undefined;
}
