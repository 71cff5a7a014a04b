import { Coverage, type Span } from '../support/coverage.ts';
import { endOf, type Fact, isDeclared, type Loss } from './facts.ts';
import { LifeSeen } from './life-seen.ts';
import { type LineId, type Lines, lineIdOf } from './lines.ts';
import { type FileCounts, type LifeWritten, noCounts, type Verdict } from './verdict.ts';

/** What the oracle reads of a record. */
export interface SeenRecord {
  value: Buffer;
  headers: Readonly<Record<string, string>>;
}

interface GenerationSeen {
  life: LifeSeen | undefined;
  first: number;
  coverage: Coverage;
}

/** The most violations of each kind that are described. */
const EXAMPLES_MAX = 4;
/** The most lines of one generation. No writer comes near, so a higher number is a damaged one. */
const LINES_MAX = 10_000_000;

/**
 * Compares a topic with what writers wrote, in two independent ways: by what each line says of
 * itself, and by the headers, whose ranges must tile each generation and be the lines' positions in
 * the file. It takes records one by one and keeps one byte per line, so that long runs can be
 * checked.
 */
export class Oracle {
  readonly #lines: Lines;
  readonly #lives = new Map<string, LifeSeen>();
  readonly #generations = new Map<string, GenerationSeen>();
  readonly #examples = new Map<string, string[]>();
  #records = 0;
  #foreign = 0;
  #overlaps = 0;
  #misplaced = 0;

  constructor(lines: Lines) {
    this.#lines = lines;
  }

  observe({ value, headers }: SeenRecord): void {
    // A requested replay is marked and is no duplicate.
    if (headers['logfleet.replay'] !== undefined) return;
    this.#records++;
    const range = rangeOf(headers);
    const generation = range && this.#generationOf(headers['logfleet.generation'] ?? '', range);
    const id = lineIdOf(value);
    const isWhole = id !== undefined && id.line < LINES_MAX && value.equals(this.#lines.text(id));
    // An empty line, or one with an altered beginning, does not identify itself: its position does.
    const life = isWhole ? this.#lifeOf(id) : (generation?.life ?? (id && this.#lifeOf(id)));
    const line = isWhole ? id.line : ((range && generation?.life?.lineAt(range.start)) ?? id?.line);
    if (life === undefined || line === undefined || line >= LINES_MAX) {
      this.#foreign++;
      this.#example(`a record that no writer wrote: ${describe(value)}`);
      return;
    }
    life.count(line);
    if (!value.equals(life.text(line))) {
      life.altered++;
      this.#example(`altered: ${nameOf(life)} line ${line}: ${describe(value)}`);
    }
    if (generation && range) this.#place(generation, headers['logfleet.generation'] as string, life, line, range);
  }

  /** How many lines of `written` have not arrived yet. */
  missing(written: readonly LifeWritten[]): number {
    let missing = 0;
    for (const { writer, life, lines } of written) {
      const seen = this.#lives.get(`${writer} ${life}`);
      for (let line = 0; line < lines; line++) if (!seen?.timesOf(line)) missing++;
    }
    return missing;
  }

  verdict(written: readonly LifeWritten[], facts: readonly Fact[] = []): Verdict {
    const files = new Map<string, FileCounts>();
    const losses = facts.filter((fact) => fact.kind === 'loss');
    for (const life of written) {
      const counts = files.get(life.writer) ?? noCounts();
      files.set(life.writer, counts);
      this.#judge(life, losses, counts);
    }
    this.#neverWritten(written);
    const sealedWrong = this.#sealedWrong(facts);
    const total = [...files.values()].reduce((sum, counts) => sumOf(sum, counts), noCounts());
    const tiling = {
      generations: this.#generations.size,
      overlaps: this.#overlaps,
      misplaced: this.#misplaced,
      holes: this.#holes(written, losses),
      sealedWrong,
    };
    const bad = total.lost + total.doubled + total.altered + this.#foreign;
    const badHeaders = tiling.overlaps + tiling.misplaced + tiling.holes + tiling.sealedWrong;
    return {
      ok: bad + badHeaders === 0,
      records: this.#records,
      foreign: this.#foreign,
      total,
      files: Object.fromEntries(files),
      tiling,
      examples: [...this.#examples.values()].flat(),
    };
  }

  #generationOf(name: string, range: Span): GenerationSeen {
    const known = this.#generations.get(name);
    if (known) return known;
    const met: GenerationSeen = { life: undefined, first: range.start, coverage: new Coverage() };
    this.#generations.set(name, met);
    return met;
  }

  #lifeOf({ writer, life }: Pick<LineId, 'writer' | 'life'>): LifeSeen {
    const key = `${writer} ${life}`;
    const known = this.#lives.get(key);
    if (known) return known;
    const met = new LifeSeen(writer, life, this.#lines);
    this.#lives.set(key, met);
    return met;
  }

  /**
   * Whether a record's range is its line's, in the one generation that it belongs to, and seen for
   * the first time.
   */
  #place(generation: GenerationSeen, name: string, life: LifeSeen, line: number, { start, end }: Span): void {
    generation.life ??= life;
    generation.first = Math.min(generation.first, start);
    life.generations.add(name);
    const right = { start: life.startOf(line), end: life.startOf(line + 1) };
    if (generation.life !== life || start !== right.start || end !== right.end) {
      this.#misplaced++;
      this.#example(`misplaced: ${nameOf(life)} line ${line} at ${start}-${end} of generation ${name}`);
    }
    if (generation.coverage.add(start, end) === 0) return;
    this.#overlaps++;
    this.#example(`twice: ${nameOf(life)} line ${line}, ${start}-${end} of generation ${name}`);
  }

  #judge(written: LifeWritten, losses: readonly Loss[], counts: FileCounts): void {
    counts.written += written.lines;
    const seen = this.#lives.get(`${written.writer} ${written.life}`);
    counts.altered += seen?.altered ?? 0;
    for (let line = 0; line < written.lines; line++) {
      const times = seen?.timesOf(line) ?? 0;
      if (times > 1) counts.doubled += times - 1;
    }
    for (const line of this.#lostLines(written)) {
      if (seen && isDeclared(seen, line, losses)) counts.declared++;
      else {
        counts.lost++;
        this.#example(`lost: ${written.writer}.${written.life} line ${line}`);
      }
    }
  }

  #lostLines({ writer, life, lines }: LifeWritten): number[] {
    const seen = this.#lives.get(`${writer} ${life}`);
    const lost: number[] = [];
    for (let line = 0; line < lines; line++) if (!seen?.timesOf(line)) lost.push(line);
    return lost;
  }

  /** Lines that look right and were not written. They count as foreign. */
  #neverWritten(written: readonly LifeWritten[]): void {
    const lengths = new Map(written.map(({ writer, life, lines }) => [`${writer} ${life}`, lines]));
    for (const [key, life] of this.#lives) {
      const more = life.linesSeen - (lengths.get(key) ?? 0);
      if (more <= 0) continue;
      this.#foreign += more;
      this.#example(`${nameOf(life)} has ${more} lines more than were written`);
    }
  }

  /**
   * Bytes that neither a record nor a `loss` covers: inside generations, and of files before,
   * between and after them.
   */
  #holes(written: readonly LifeWritten[], losses: readonly Loss[]): number {
    let bytes = 0;
    const tell = (holes: readonly Span[], where: string) => {
      for (const { start, end } of holes) {
        bytes += end - start;
        this.#example(`hole: ${start}-${end} of ${where}`);
      }
    };
    const lives = new Map<LifeSeen, Coverage>();
    const sizes = new Map<LifeSeen, number>();
    for (const { writer, life: number, lines } of written) {
      const life = this.#lives.get(`${writer} ${number}`);
      if (life) sizes.set(life, life.startOf(lines));
    }
    for (const [name, { life, first, coverage }] of this.#generations) {
      const own = losses.filter(({ generation }) => generation === name);
      const from = Math.min(first, ...own.map(({ start }) => start));
      for (const loss of own) coverage.add(loss.start, endOf(loss, (life && sizes.get(life)) ?? loss.end));
      tell(coverage.holes(from, coverage.end), `generation ${name}`);
      if (!life) continue;
      const reached = lives.get(life) ?? new Coverage();
      lives.set(life, reached);
      reached.add(from, coverage.end);
    }
    for (const [life, reached] of lives)
      tell(reached.holes(0, sizes.get(life) ?? 0), `${nameOf(life)}, of which no generation has them`);
    return bytes;
  }

  /** A sealed generation is complete up to the position in the fact. */
  #sealedWrong(facts: readonly Fact[]): number {
    let wrong = 0;
    for (const fact of facts) {
      const seen = this.#generations.get(fact.generation);
      if (fact.kind !== 'sealed' || !seen) continue;
      const lost = facts.map((other) =>
        other.kind === 'loss' && other.generation === fact.generation ? other.end : 0,
      );
      const end = Math.max(seen.coverage.end, ...lost);
      if (end === fact.size) continue;
      wrong++;
      this.#example(`sealed at ${fact.size}, and ends at ${end}: generation ${fact.generation}`);
    }
    return wrong;
  }

  #example(text: string): void {
    const kind = text.slice(0, text.search(/[ :]/));
    const own = this.#examples.get(kind) ?? [];
    this.#examples.set(kind, own);
    if (own.length < EXAMPLES_MAX) own.push(text);
  }
}

function rangeOf(headers: Readonly<Record<string, string>>): Span | undefined {
  const match = /^(\d+)-(\d+)$/.exec(headers['logfleet.range'] ?? '');
  return match ? { start: Number(match[1]), end: Number(match[2]) } : undefined;
}

function sumOf(a: FileCounts, b: FileCounts): FileCounts {
  return {
    written: a.written + b.written,
    lost: a.lost + b.lost,
    declared: a.declared + b.declared,
    doubled: a.doubled + b.doubled,
    altered: a.altered + b.altered,
  };
}

function nameOf({ writer, life }: LifeSeen): string {
  return `${writer}.${life}`;
}

function describe(value: Buffer): string {
  return `${JSON.stringify(value.toString('latin1', 0, 60))}, ${value.length} bytes`;
}
