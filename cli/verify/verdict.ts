import type { AuditFacts, AuditLoss } from './audit-facts.ts';
import type { Place, Range } from './coverage.ts';
import type { Double, Generation, Ledger } from './ledger.ts';

/** Bytes of a generation that no record has. */
export interface Hole extends Range {
  generation: string;
  path: string;
  /** The record after the hole; undefined at the generation's end. */
  before: Place | undefined;
  /** Why they are lost, as the audit topic says; undefined: nobody has told. */
  loss: string | undefined;
}

/** A generation without holes so far, whose end is not known. */
interface OpenGeneration extends Range {
  generation: string;
  path: string;
}

export interface Verdict {
  holes: Hole[];
  doubles: readonly Double[];
  /** Generations that are known to end, and are whole but for what is lost. */
  sealed: number;
  open: OpenGeneration[];
}

export interface Knowledge {
  ledger: Ledger;
  facts: AuditFacts;
  /** The topic was read from its first record ever: what is not there never was. */
  whole: boolean;
  entry: string | undefined;
}

export function judge({ ledger, facts, whole, entry }: Knowledge): Verdict {
  const verdict: Verdict = { holes: [], doubles: ledger.doubles, sealed: 0, open: [] };
  for (const generation of ledger.generations.values()) {
    const { id, path } = generation;
    const { start, end, sealed } = expected(generation, facts, whole);
    const holes = holesOf(generation, { start, end }).flatMap((hole) => explained(hole, facts));
    verdict.holes.push(...holes);
    if (sealed) verdict.sealed++;
    else verdict.open.push({ generation: id, path, start, end });
  }
  if (whole) verdict.holes.push(...absent(ledger, facts, entry));
  return verdict;
}

/**
 * What must be there. Without a sealed fact nobody tells where the agent began: an entry may say `start: end`. So a beginning that is
 * missing shows when the generation is sealed.
 */
function expected({ id, coverage, replayed }: Generation, facts: AuditFacts, whole: boolean) {
  const seal = facts.sealed.get(id);
  const first = Math.min(coverage.first ?? Infinity, replayed?.first ?? Infinity);
  const end = Math.max(coverage.end, replayed?.end ?? 0);
  if (!seal) return { start: first, end, sealed: false };
  return { start: whole ? seal.first : Math.max(first, seal.first), end: Math.max(seal.size, end), sealed: true };
}

function holesOf({ id, path, coverage, replayed }: Generation, range: Range): Hole[] {
  const gaps = coverage.gaps(range);
  const left = replayed ? gaps.flatMap((gap) => replayed.gaps(gap).map((part) => ({ ...gap, ...part }))) : gaps;
  return left.map(({ start, end, before }) => ({ generation: id, path, start, end, before, loss: undefined }));
}

/** The parts of a hole: those that losses explain, and those that nothing does. Behind the last record of a sealed generation the rest was filtered out. */
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
    const [start, end] = [Math.max(at, loss.start), Math.min(hole.end, loss.end)];
    if (end <= start) continue;
    if (start > at) parts.push({ ...hole, start: at, end: start });
    parts.push({ ...hole, start, end, loss: loss.reason });
    at = end;
  }
  if (at < hole.end) parts.push({ ...hole, start: at });
  return parts;
}

/** Generations that are said to be complete, and have no record at all: of the entry asked for, or of entries that the topic has. */
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
