import type { FormatFacts } from '../../agent/encode/line-format.ts';

/** A character and its bytes in the test's encoding. */
export type Character = readonly [text: string, bytes: Buffer];

/** An expected record. */
export interface Expected {
  value: string;
  start: number;
  end: number;
  flags: string;
}

interface Line {
  characters: Character[];
  start: number;
  contentEnd: number;
  end: number;
  terminated: boolean;
}

interface Facts extends FormatFacts {
  patternBytes: number;
}

/**
 * The expected records of a complete file of `characters`, of which the first `markBytes` are no
 * content. It follows the text of entry.proto over characters and whole lines, slowly, and without
 * the code under test. `cut`: how many bytes are lost; `filtered`: how many records the filter
 * excludes, a long line counting once.
 */
export function expectedRecords(characters: readonly Character[], facts: Facts, markBytes = 0) {
  const expected = new ExpectedRecords(facts);
  for (const line of linesOf(characters, facts, markBytes)) expected.add(line);
  const { records, cut, filtered } = expected.end();
  return { records, cut, filtered };
}

/** Lines that are one record so far. `kept`: what the filter said of the record's first part. */
interface Group {
  lines: Line[];
  flags: Set<string>;
  kept: boolean | undefined;
}

class ExpectedRecords {
  readonly records: Expected[] = [];
  cut = 0;
  filtered = 0;
  readonly #facts: Facts;
  #group: Group | undefined;
  /** Where the last record ends. */
  #end = 0;

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  add(line: Line): void {
    const { multiline, maxLineBytes } = this.#facts;
    const cutsGroup = this.#group !== undefined && goesOn(line, this.#facts) && !this.#fits(line, this.#group);
    if (this.#group && goesOn(line, this.#facts) && !cutsGroup) {
      this.#group.lines.push(line);
      return;
    }
    const kept = this.#endGroup(cutsGroup ? 'split' : undefined);
    if (line.contentEnd - line.start > maxLineBytes) {
      this.#addOverLong(line);
      return;
    }
    this.#group = cutsGroup
      ? { lines: [line], flags: new Set(['split']), kept }
      : { lines: [line], flags: new Set(), kept: undefined };
    if (!multiline) this.#endGroup();
  }

  end(): this {
    this.#endGroup();
    return this;
  }

  #fits(line: Line, { lines }: Group): boolean {
    const { multiline, maxLineBytes } = this.#facts;
    const [first] = lines as [Line];
    return lines.length !== multiline?.maxLines && line.contentEnd - first.start <= maxLineBytes;
  }

  /** Returns whether the filter includes the group. */
  #endGroup(flag?: string): boolean | undefined {
    const group = this.#group;
    if (!group) return undefined;
    this.#group = undefined;
    const last = group.lines.at(-1) as Line;
    if (flag) group.flags.add(flag);
    if (!last.terminated) group.flags.add('unterminated');
    const value = group.lines.map(textOf).join(this.#facts.terminator === 'crlf' ? '\r\n' : '\n');
    if (group.kept === false) this.filtered++;
    const kept = group.kept ?? this.#judge(value);
    this.#record(value, last.end, group.flags, kept);
    return kept;
  }

  #addOverLong(line: Line): void {
    const { overLong, maxLineBytes } = this.#facts;
    if (overLong === 'drop') this.cut += line.end - line.start;
    else if (overLong === 'truncate') this.#truncate(line, maxLineBytes);
    else this.#split(line, maxLineBytes);
  }

  #truncate(line: Line, maxLineBytes: number): void {
    const [part = []] = pieces(line, maxLineBytes);
    const end = line.start + bytesOf(part);
    const value = textOf({ characters: part });
    const kept = this.#judge(value);
    this.#record(value, end, ['truncated'], kept);
    if (kept) this.cut += line.end - end;
  }

  #split(line: Line, maxLineBytes: number): void {
    const parts = pieces(line, maxLineBytes);
    const kept = this.#judge(textOf({ characters: parts[0] ?? [] }));
    let end = line.start;
    for (const [index, part] of parts.entries()) {
      const isLast = index === parts.length - 1;
      end = isLast ? line.end : end + bytesOf(part);
      const flags = isLast && !line.terminated ? ['split', 'unterminated'] : ['split'];
      this.#record(textOf({ characters: part }), end, flags, kept);
    }
  }

  /** Whether the filter includes the first part of a record, which decides for the others. */
  #judge(value: string): boolean {
    const kept = isKept(value, this.#facts);
    if (!kept) this.filtered++;
    return kept;
  }

  #record(value: string, end: number, flags: Iterable<string>, kept: boolean): void {
    if (!kept) return;
    this.records.push({ value, start: this.#end, end, flags: [...flags].sort().join() });
    this.#end = end;
  }
}

function linesOf(characters: readonly Character[], { terminator }: Facts, markBytes: number): Line[] {
  const lines: Line[] = [];
  let own: Character[] = [];
  let start = markBytes;
  let at = markBytes;
  for (const character of characters) {
    at += character[1].length;
    own.push(character);
    const ends = character[0] === '\n' && (terminator !== 'crlf' || own.at(-2)?.[0] === '\r');
    if (!ends) continue;
    const terminatorBytes = bytesOf(own.splice(terminator === 'crlf' ? -2 : -1));
    lines.push({ characters: own, start, contentEnd: at - terminatorBytes, end: at, terminated: true });
    own = [];
    start = at;
  }
  if (own.length > 0) lines.push({ characters: own, start, contentEnd: at, end: at, terminated: false });
  return lines;
}

function goesOn(line: Line, { multiline, patternBytes }: Facts): boolean {
  if (!multiline) return false;
  const seen: Character[] = [];
  for (const character of line.characters)
    if (bytesOf(seen) + character[1].length <= patternBytes) seen.push(character);
  const { start, continuation } = multiline;
  const text = textOf({ characters: seen });
  return start === undefined ? new RegExp(continuation as string).test(text) : !new RegExp(start).test(text);
}

function isKept(value: string, { filter }: Facts): boolean {
  const { include = '', exclude } = filter ?? {};
  return new RegExp(include, 'u').test(value) && !(exclude !== undefined && new RegExp(exclude, 'u').test(value));
}

/** Splits into pieces of as many whole characters as fit into `max` bytes. */
function pieces({ characters }: Line, max: number): Character[][] {
  const parts: Character[][] = [[]];
  for (const character of characters) {
    const part = parts.at(-1) as Character[];
    if (bytesOf(part) + character[1].length <= max) part.push(character);
    else parts.push([character]);
  }
  return parts;
}

function bytesOf(characters: readonly Character[]): number {
  return characters.reduce((sum, [, bytes]) => sum + bytes.length, 0);
}

function textOf({ characters }: Pick<Line, 'characters'>): string {
  return characters.map(([text]) => text).join('');
}
