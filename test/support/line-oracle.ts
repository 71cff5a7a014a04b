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
  const records: Expected[] = [];
  let group: { lines: Line[]; flags: Set<string>; kept?: boolean | undefined } | undefined;
  let cut = 0;
  let at = 0;
  let filtered = 0;
  const record = (value: string, end: number, flags: Iterable<string>, kept: boolean) => {
    if (!kept) return;
    records.push({ value, start: at, end, flags: [...flags].sort().join() });
    at = end;
  };
  /** Whether the first part of a record is included, which decides for the others. */
  const judge = (value: string) => {
    const kept = isKept(value, facts);
    if (!kept) filtered++;
    return kept;
  };
  const endGroup = (flag?: string) => {
    if (!group) return undefined;
    const last = group.lines.at(-1) as Line;
    if (flag) group.flags.add(flag);
    if (!last.terminated) group.flags.add('unterminated');
    const between = facts.terminator === 'crlf' ? '\r\n' : '\n';
    const value = group.lines.map(textOf).join(between);
    if (group.kept === false) filtered++;
    const kept = group.kept ?? judge(value);
    record(value, last.end, group.flags, kept);
    group = undefined;
    return kept;
  };
  const overLong = (line: Line) => {
    if (facts.overLong === 'drop') cut += line.end - line.start;
    else if (facts.overLong === 'truncate') {
      const [kept = []] = pieces(line, facts.maxLineBytes);
      const end = line.start + bytesOf(kept);
      const goes = judge(textOf({ characters: kept }));
      record(textOf({ characters: kept }), end, ['truncated'], goes);
      if (goes) cut += line.end - end;
    } else {
      const parts = pieces(line, facts.maxLineBytes);
      let end = line.start;
      const goes = judge(textOf({ characters: parts[0] ?? [] }));
      for (const [index, part] of parts.entries()) {
        const last = index === parts.length - 1;
        end = last ? line.end : end + bytesOf(part);
        record(
          textOf({ characters: part }),
          end,
          last && !line.terminated ? ['split', 'unterminated'] : ['split'],
          goes,
        );
      }
    }
  };
  for (const line of linesOf(characters, facts, markBytes)) {
    const tooLong = line.contentEnd - line.start > facts.maxLineBytes;
    let cutGroup = false;
    if (group && goesOn(line, facts)) {
      const first = group.lines[0] as Line;
      cutGroup = group.lines.length === facts.multiline?.maxLines || line.contentEnd - first.start > facts.maxLineBytes;
      if (!cutGroup) {
        group.lines.push(line);
        continue;
      }
    }
    const kept = endGroup(cutGroup ? 'split' : undefined);
    if (tooLong) overLong(line);
    else {
      group = { lines: [line], flags: new Set(cutGroup ? ['split'] : []), kept: cutGroup ? kept : undefined };
      if (!facts.multiline) endGroup();
    }
  }
  endGroup();
  return { records, cut, filtered };
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
