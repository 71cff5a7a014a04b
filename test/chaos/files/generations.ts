import type { Span } from '../../support/coverage.ts';
import type { Evidence, TopicRecord, Violation } from './evidence.ts';
import type { Life } from './life.ts';

/** A record, and where its header says that it lies. */
interface RangedRecord extends Span {
  record: TopicRecord;
}

/** What arrived of one generation, and which life it is. */
export interface Generation {
  id: string;
  life: Life | undefined;
  /** In the order of the topic. */
  records: RangedRecord[];
}

/** How a record agrees with a life. */
type Agreement = 'exact' | 'after-hole' | 'nul' | 'range' | 'none';

/**
 * Assigns each generation to the life whose bytes its records are. Reports records that are no
 * life's.
 */
export function assignGenerations(
  { records, lives, toUnixMs }: Evidence,
  report: (violation: Violation) => void,
): Generation[] {
  const byId = Map.groupBy(
    records.filter(({ headers }) => headers['logfleet.replay'] === undefined),
    ({ headers }) => headers['logfleet.generation'] ?? '',
  );
  const taken = new Map<Life, number>();
  const generations: Generation[] = [];
  for (const [id, own] of byId) {
    const ranged = own.map((record) => ({ record, ...rangeOf(record) }));
    const readMs = Math.min(...own.map(({ timestampMs }) => timestampMs - toUnixMs));
    const life = bestLife(ranged, lives, { taken, readMs });
    generations.push({ id, life, records: ranged });
    if (life) taken.set(life, Math.max(taken.get(life) ?? 0, ...ranged.map(({ end }) => end)));
    checkRecords({ id, life, records: ranged }, lives, report);
    checkOrder({ id, life, records: ranged }, report);
  }
  return generations;
}

export function nameOf(life: Life): string {
  return `life ${life.id} (${[...life.paths].map((path) => path.split('/').slice(-2).join('/')).join(', ')})`;
}

/**
 * The life that agrees with the most records; of equal ones the one whose paths the records name,
 * that nothing was assigned to, and that existed, and was matched, when they were read.
 */
function bestLife(
  records: readonly RangedRecord[],
  lives: readonly Life[],
  { taken, readMs }: { taken: ReadonlyMap<Life, number>; readMs: number },
): Life | undefined {
  let best: { life: Life; score: number } | undefined;
  for (const life of lives) {
    const agreeing = records.filter((one) => agreement(one, life) !== 'none');
    if (agreeing.length === 0) continue;
    const atPath = agreeing.filter(({ record }) => isKnownAt(life, record.headers['log.file.path'] ?? '')).length;
    // Copies agree as well as their originals. A content that nothing was assigned to comes first.
    const existed = life.bornAtMs <= readMs && (life.end?.atMs ?? readMs) >= readMs;
    const matched = life.matched.some(({ fromMs, toMs }) => fromMs <= readMs && readMs <= toMs);
    const weight = (taken.has(life) ? 0 : 0.25) + (existed ? 0.1 : 0) + (matched ? 0.05 : 0);
    const score = agreeing.length + atPath / (records.length + 1) / 2 + weight;
    if (!best || score > best.score) best = { life, score };
  }
  return best?.life;
}

/** Content of a file that left the globs is reported at the path at which the file was found. */
function isKnownAt({ paths, previous }: Life, path: string): boolean {
  return paths.has(path) || (previous !== undefined && isKnownAt(previous, path));
}

function checkRecords(
  { id, life, records }: Generation,
  lives: readonly Life[],
  report: (violation: Violation) => void,
): void {
  for (const one of records) {
    const found = life ? agreement(one, life) : 'none';
    const where = `${one.start}-${one.end} of generation ${id}, ${life ? nameOf(life) : one.record.headers['log.file.path']}: ${described(one.record.value)}`;
    if (found === 'nul') report({ kind: 'nul', text: `NULs that nobody wrote: ${where}` });
    if (found === 'range') report({ kind: 'range', text: `the range covers more than the record: ${where}` });
    if (found !== 'none') continue;
    const other = lives.find((candidate) => agreement(one, candidate) === 'exact');
    if (other) report({ kind: 'mixed', text: `a line of ${nameOf(other)} at ${where}` });
    else if (one.record.value.every((byte) => byte === 0))
      report({ kind: 'nul', text: `NULs that nobody wrote: ${where}` });
    else report({ kind: isForeign(one, lives) ? 'foreign' : 'torn', text: `a record that is no line: ${where}` });
  }
}

function checkOrder({ id, life, records }: Generation, report: (violation: Violation) => void): void {
  const where = `generation ${id}, ${life ? nameOf(life) : 'no life'}`;
  for (const [index, { start, record }] of records.entries()) {
    const before = records[index - 1];
    if (!before) continue;
    if (before.record.partition !== record.partition) report({ kind: 'order', text: `two partitions: ${where}` });
    else if (start < before.start) report({ kind: 'order', text: `${start} after ${before.start}: ${where}` });
  }
}

function agreement({ start, end, record }: RangedRecord, life: Life): Agreement {
  if (end > life.size || life.kind !== 'text') return 'none';
  const flags = record.headers['logfleet.flags'] ?? '';
  const bytes = life.bytes.subarray(start, end);
  // The parts of a long line, except for its last one, end without a terminator as well.
  const isPart = flags.includes('split') && bytes.at(-1) !== NEWLINE;
  const text = flags.includes('unterminated') || isPart ? bytes : withoutTerminator(bytes);
  if (text === undefined || !text.subarray(text.length - record.value.length).equals(record.value)) return 'none';
  const more = text.length - record.value.length;
  const hole = life.holes.find((one) => one.start < end && start < one.end);
  if (hole && start + more < hole.end) return 'nul';
  if (more === 0) return 'exact';
  // Bytes that nobody wrote are passed over, and the next range covers them.
  return hole && hole.end === start + more ? 'after-hole' : 'range';
}

const NEWLINE = 0x0a;

function withoutTerminator(bytes: Buffer): Buffer | undefined {
  return bytes.at(-1) === NEWLINE ? bytes.subarray(0, -1) : undefined;
}

function rangeOf({ headers }: TopicRecord): Span {
  const [, start = '-1', end = '-1'] = /^(\d+)-(\d+)$/.exec(headers['logfleet.range'] ?? '') ?? [];
  return { start: Number(start), end: Number(end) };
}

/** Whether the bytes are of a file that is no text. */
function isForeign({ record }: RangedRecord, lives: readonly Life[]): boolean {
  const path = record.headers['log.file.path'] ?? '';
  return (
    lives.some((life) => life.kind !== 'text' && life.paths.has(path)) &&
    !/^(L\d+\.\d+ |#)/.test(record.value.toString('latin1'))
  );
}

function described(value: Buffer): string {
  return `${JSON.stringify(value.toString('latin1', 0, 50))}, ${value.length} bytes`;
}
