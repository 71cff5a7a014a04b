import type { AuditFacts, AuditLoss } from './audit-facts.ts';
import type { Range, RecordPosition } from './coverage.ts';
import type { DuplicateRange, Generation, Ledger } from './ledger.ts';

/** Bytes of a generation that no record has. */
export interface Hole extends Range {
  generation: string;
  path: string;
  /** The record after the hole; undefined at the end of the generation. */
  before: RecordPosition | undefined;
  /** The reason of the loss in the audit topic; undefined when no loss explains the hole. */
  loss: string | undefined;
}

/** A generation that does not begin at 0. */
export interface Beginning {
  generation: string;
  path: string;
  first: number;
  /** Why, from the audit topic; undefined when no fact explains the beginning. */
  reason: string | undefined;
}

/** A generation that is not sealed: its end is unknown. */
interface OpenGeneration extends Range {
  generation: string;
  path: string;
}

export interface Verdict {
  beginnings: Beginning[];
  holes: Hole[];
  doubles: readonly DuplicateRange[];
  /** The number of generations that the audit topic reports as sealed. */
  sealed: number;
  open: OpenGeneration[];
}

export interface Evidence {
  ledger: Ledger;
  facts: AuditFacts;
  /** Whether the topic was read from offset 0: a record that is missing was never written. */
  whole: boolean;
  entry: string | undefined;
}

/** Finds the bytes that must be in the topic and are not. */
export function judge({ ledger, facts, whole, entry }: Evidence): Verdict {
  const verdict: Verdict = { beginnings: [], holes: [], doubles: ledger.doubles, sealed: 0, open: [] };
  for (const generation of ledger.generations.values()) judgeGeneration(generation, facts, whole, verdict);
  if (whole) verdict.holes.push(...absent(ledger, facts, entry));
  return verdict;
}

function judgeGeneration(generation: Generation, facts: AuditFacts, whole: boolean, verdict: Verdict): void {
  const { id, path, coverage, replayed } = generation;
  const [beginning, seal] = [facts.beginningOf(id), facts.sealed.get(id)];
  const first = Math.min(coverage.first ?? Infinity, replayed?.first ?? Infinity);
  const end = Math.max(coverage.end, replayed?.end ?? 0, seal?.size ?? 0);
  // If older records may have been removed, a generation is expected from the first one that is
  // left.
  const from = beginning?.first ?? 0;
  const start = whole ? from : Math.max(first, from);
  const holes = holesOf(generation, { start, end }).flatMap((hole) => explained(hole, facts));
  const isBeginning = (hole: Hole) => !beginning && hole.loss === undefined && hole.end <= first;
  verdict.holes.push(...holes.filter((hole) => !isBeginning(hole)));
  if (from > 0) verdict.beginnings.push({ generation: id, path, first: from, reason: beginning?.reason });
  else if (holes.some(isBeginning)) verdict.beginnings.push({ generation: id, path, first, reason: undefined });
  if (seal) verdict.sealed++;
  else verdict.open.push({ generation: id, path, start: beginning ? start : first, end });
}

function holesOf({ id, path, coverage, replayed }: Generation, range: Range): Hole[] {
  const gaps = coverage.gaps(range);
  const uncovered = replayed ? gaps.flatMap((gap) => replayed.gaps(gap).map((part) => ({ ...gap, ...part }))) : gaps;
  return uncovered.map(({ start, end, before }) => ({ generation: id, path, start, end, before, loss: undefined }));
}

/**
 * Splits a hole into parts that losses explain and parts that nothing explains. Bytes after the
 * last record of a sealed generation were removed by a filter and are not a hole.
 */
function explained(hole: Hole, facts: AuditFacts): Hole[] {
  const recordsEnd = facts.sealed.get(hole.generation)?.recordsEnd ?? Number.POSITIVE_INFINITY;
  const parts = partsOf(hole, facts.lossesOf(hole.generation));
  return parts.flatMap((part) => {
    if (part.loss !== undefined) return [part];
    const end = Math.min(part.end, Math.max(recordsEnd, part.start));
    return end > part.start ? [{ ...part, end }] : [];
  });
}

function partsOf(hole: Hole, losses: readonly AuditLoss[]): Hole[] {
  const parts: Hole[] = [];
  let at = hole.start;
  for (const loss of [...losses].sort((a, b) => a.start - b.start)) {
    // If there are records behind a loss with an open end, its file has returned.
    if (loss.knownEnd < hole.start) continue;
    const [start, end] = [Math.max(at, loss.start), Math.min(hole.end, loss.end)];
    if (end <= start) continue;
    if (start > at) parts.push({ ...hole, start: at, end: start });
    parts.push({ ...hole, start, end, loss: loss.reason });
    at = end;
  }
  if (at < hole.end) parts.push({ ...hole, start: at });
  return parts;
}

/** Sealed generations without any record, of the given entry or of the entries in the topic. */
function absent(ledger: Ledger, facts: AuditFacts, entry: string | undefined): Hole[] {
  const entries = new Set(entry === undefined ? [] : [entry]);
  for (const generation of ledger.generations.values()) entries.add(generation.entry);
  const unseen = [...facts.sealed.values()].filter(
    (seal) => entries.has(seal.entry) && !ledger.generations.has(seal.generation) && seal.size > seal.first,
  );
  return unseen.flatMap(({ generation, path, first: start, size: end }) =>
    explained({ generation, path, start, end, before: undefined, loss: undefined }, facts),
  );
}
