import type { AuditFact, Evidence, Violation } from './evidence.ts';
import { type Generation, nameOf } from './generations.ts';
import type { Life, Line } from './life.ts';
import type { Sightings } from './seen.ts';

/** The writer notes the end of a content after it, and the agent may see it before that. */
const NOTED_MS = 250;

export interface Loss {
  generation: string;
  life: Life | undefined;
  /** The loss may be of these as well, because its generation has no record. */
  others: readonly Life[];
  start: number;
  end: number;
  bytes: number;
  openEnded: boolean;
  reason: string;
  path: string;
  atMs: number;
}

export interface LossEvidence extends Evidence {
  losses: readonly Loss[];
  sightings: Sightings;
  isDelivered(life: Life, line: Line): boolean;
}

/** Each `loss` once, with the life that it is about. */
export function lossesOf({ facts, lives, toUnixMs }: Evidence, generations: readonly Generation[]): Loss[] {
  const byId = new Map(facts.filter(({ kind }) => kind === 'loss').map((fact) => [fact.id, fact]));
  return [...byId.values()].map((fact) => {
    const atMs = Date.parse(fact.time) - toUnixMs;
    const { start = 0, end = 0, bytes = 0, openEnded = false, reason = '', generation, path } = fact;
    const known = generations.find(({ id }) => id === generation)?.life;
    const others = known ? [] : livesAt(fact, lives, atMs, generations);
    const own =
      known ?? others.findLast((one) => one.end !== undefined && one.end.atMs < atMs + NOTED_MS) ?? others.at(-1);
    const life = own && continuationOf(own, { start, end }, lives);
    return { generation, life, others, start, end, bytes, openEnded, reason, path, atMs };
  });
}

/**
 * The life of a generation that began with `own` and reached `end`: a copy continues it, and so
 * does a content that begins with the bytes that were read.
 */
function continuationOf(own: Life, { start, end }: Pick<Loss, 'start' | 'end'>, lives: readonly Life[]): Life {
  const found = new Set([own]);
  for (const life of found) {
    if (life.size >= end) return life;
    for (const next of lives)
      if (next.copyOf?.life === life || (next.previous === life && next.sharedPrefix(life) >= start)) found.add(next);
  }
  return own;
}

/**
 * What a generation without a record may be: the lives at its path that began before the loss, and
 * of these the ones that no other generation is, if there are such.
 */
function livesAt(
  { path, end = 0 }: AuditFact,
  lives: readonly Life[],
  atMs: number,
  generations: readonly Generation[],
): readonly Life[] {
  const taken = new Set(generations.map(({ life }) => life));
  const candidates = lives.filter((life) => life.paths.has(path) && life.bornAtMs < atMs && life.size >= end);
  const free = candidates.filter((life) => !taken.has(life));
  return free.length > 0 ? free : candidates;
}

/**
 * A loss is of bytes that did not arrive, of content that no longer exists, and of its size. If its
 * content is not certain, one of those that it may be of suffices.
 */
export function judgeLosses(evidence: LossEvidence, report: (violation: Violation) => void): void {
  for (const loss of evidence.losses) {
    const { life, others } = loss;
    // Nobody knows how much of an archive or of a huge file could be read.
    if (evidence.lives.some(({ kind, paths }) => kind !== 'text' && paths.has(loss.path))) continue;
    const violation = violationOf(loss, life, evidence);
    if (violation && !others.some((other) => !violationOf(loss, other, evidence))) report(violation);
  }
}

function violationOf(loss: Loss, life: Life | undefined, evidence: LossEvidence): Violation | undefined {
  const { start, end, bytes, reason } = loss;
  const where = `${reason} ${start}-${end}, ${bytes} bytes, generation ${loss.generation}, ${life ? nameOf(life) : loss.path}`;
  if (!life) return { kind: 'false-loss', text: `a loss of no content: ${where}` };
  if (end > life.size)
    return { kind: 'false-loss', text: `a loss of bytes that nobody wrote (${life.size} were): ${where}` };
  if (isWithoutCause(loss, life, evidence))
    return { kind: 'false-loss', text: `a loss of what still exists: ${where}` };
  return sizeViolationOf(loss, life, evidence, where);
}

function isWithoutCause(loss: Loss, life: Life, { losses, sightings }: LossEvidence): boolean {
  const { reason, atMs } = loss;
  if (reason === 'truncated') return life.end === undefined || life.end.atMs > atMs + NOTED_MS;
  return reason === 'vanished' && !isRestOfLostLine(loss, losses) && sightings.existsAt(life, atMs);
}

/** A file has returned, and what was recorded as lost had ended in the middle of a line. */
function isRestOfLostLine({ generation, start, openEnded }: Loss, losses: readonly Loss[]): boolean {
  const isBefore = (other: Loss) => other.generation === generation && other.end === start && other.end > other.start;
  return !openEnded && losses.some((other) => other.reason === 'vanished' && isBefore(other));
}

/**
 * The lines in a loss did not arrive; their bytes and those of a line that was not complete are its
 * size.
 */
function sizeViolationOf(
  { start, end, bytes }: Loss,
  life: Life,
  { isDelivered }: LossEvidence,
  where: string,
): Violation | undefined {
  let lost = end - start;
  const arrived: Line[] = [];
  for (const line of life.lines()) {
    if (line.start < start || line.end > end) continue;
    if (!isDelivered(life, line)) continue;
    lost -= line.end - line.start;
    arrived.push(line);
  }
  const kind = arrived.length > 0 ? 'false-loss' : 'loss-size';
  if (bytes > lost) return { kind, text: `${lost} of the bytes did not arrive: ${where}` };
  if (bytes < lost - holeBytes(life, start, end))
    return { kind: 'loss-size', text: `${lost} bytes did not arrive: ${where}` };
  return undefined;
}

/** A hole is no content, but only one that was read is known. */
function holeBytes({ holes }: Life, start: number, end: number): number {
  return holes.reduce((sum, hole) => sum + Math.max(0, Math.min(end, hole.end) - Math.max(start, hole.start)), 0);
}
