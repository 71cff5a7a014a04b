import { Coverage } from '../../support/coverage.ts';
import type { AuditFact, Evidence, Violation, ViolationKind } from './evidence.ts';
import { assignGenerations, type Generation, nameOf } from './generations.ts';
import type { Life, Line } from './life.ts';
import { judgeLosses, type Loss, lossesOf } from './losses.ts';
import { Sightings } from './seen.ts';

/** Why a line was not demanded, or may have arrived twice. Each is in docs/guarantees.md. */
export type Exemption = 'same bytes' | 'copy not recognisable' | 'not seen';

export interface Judgement {
  violations: Violation[];
  exemptions: Partial<Record<Exemption, number>>;
  lines: number;
  due: number;
  delivered: number;
  reportedAsLoss: number;
}

/** Shorter copies are not distinguished from files that begin alike. */
const COPY_BYTES_MIN = 1024;
/** Within it, a file that was created is matched. */
const CREATION_MS = 500;

/** Compares what arrived with what the writer knows. */
export function judge(evidence: Evidence): Judgement {
  return new Oracle(evidence).judge();
}

/** Which lines of a life arrived, by where they end. */
type Deliveries = Map<number, Generation[]>;

class Oracle {
  readonly #evidence: Evidence;
  #sightings: Sightings;
  readonly #result: Judgement = { violations: [], exemptions: {}, lines: 0, due: 0, delivered: 0, reportedAsLoss: 0 };
  readonly #deliveries = new Map<Life, Deliveries>();

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
    this.#sightings = new Sightings(evidence, []);
  }

  judge(): Judgement {
    const report = (violation: Violation) => this.#result.violations.push(violation);
    const generations = assignGenerations(this.#evidence, report);
    this.#sightings = new Sightings(this.#evidence, generations);
    for (const generation of generations) this.#collect(generation);
    const losses = lossesOf(this.#evidence, generations);
    for (const generation of generations) this.#checkTiling(generation, losses);
    for (const life of this.#evidence.lives) if (life.kind === 'text') this.#judgeLife(life, losses);
    judgeLosses(
      {
        ...this.#evidence,
        losses,
        sightings: this.#sightings,
        isDelivered: (life, line) => this.#isDelivered(life, line),
      },
      report,
    );
    return this.#result;
  }

  #collect({ life, records, ...generation }: Generation): void {
    if (!life) return;
    const own = this.#deliveries.get(life) ?? new Map<number, Generation[]>();
    this.#deliveries.set(life, own);
    for (const { end } of records) own.set(end, [...(own.get(end) ?? []), { life, records, ...generation }]);
  }

  #judgeLife(life: Life, losses: readonly Loss[]): void {
    for (const line of life.lines()) {
      this.#result.lines++;
      const times = this.#deliveries.get(life)?.get(line.end)?.length ?? 0;
      if (times > 0) this.#result.delivered++;
      if (times > 1 && !this.#hasUnrecognisableCopy(life, line))
        this.#violate('doubled', life, line, `arrived ${times} times (${this.#generationsOf(life, line)})`);
      if (times > 0 && this.#sightings.isSkipped(life, line))
        this.#violate('early', life, line, 'was there before the entry, with start: end');
      if (times > 0) this.#checkCopies(life, line);
      const isDue = this.#sightings.isDue(life, line);
      if (isDue) this.#result.due++;
      else if (times === 0) this.#exempt('not seen');
      if (isDue && times === 0) this.#checkMissing(life, line, losses);
    }
  }

  #checkMissing(life: Life, line: Line, losses: readonly Loss[]): void {
    const related = this.#withSameLine(life, line);
    if (related.some(({ life: other, isCopy }) => isCopy && this.#isDelivered(other, line))) return;
    if (
      losses.some(
        (loss) =>
          (loss.life === life || loss.others.includes(life)) &&
          loss.start <= line.start &&
          (loss.openEnded || line.end <= loss.end),
      )
    ) {
      this.#result.reportedAsLoss++;
      return;
    }
    const isTakenForOther = related.some(
      ({ life: other }) => this.#isDelivered(other, line) || this.#sightings.mayBeSkipped(other, line),
    );
    if (isTakenForOther) this.#exempt('same bytes');
    else this.#violate('lost', life, line, 'is missing');
  }

  /**
   * The lives that have the line at the same position, because it was copied, or because content
   * was replaced by the same bytes up to the position, which looks unchanged. `isCopy`: by copies
   * alone.
   */
  #withSameLine(life: Life, line: Line): { life: Life; isCopy: boolean }[] {
    const found = new Map([[life, true]]);
    for (const [one, isCopy] of found) {
      for (const other of this.#copiesOf(one, line)) if (!found.has(other)) found.set(other, isCopy);
      for (const other of this.#takenForOne(one, line)) if (!found.has(other)) found.set(other, false);
    }
    found.delete(life);
    return [...found].map(([other, isCopy]) => ({ life: other, isCopy }));
  }

  /** A line of a copy arrives once, with the original's generation, if the copy is recognisable. */
  #checkCopies(life: Life, line: Line): void {
    const original = life.copyOf?.life;
    if (!original || line.end > (life.copyOf?.size ?? 0) || !this.#isDelivered(original, line)) return;
    if (original.end?.how !== 'truncated') return;
    if (isRecognisable(life, original))
      this.#violate('doubled', life, line, `arrived with its original, ${nameOf(original)}, too`);
    else this.#exempt('copy not recognisable');
  }

  #hasUnrecognisableCopy(life: Life, line: Line): boolean {
    const copies = this.#evidence.lives.filter(({ copyOf }) => copyOf?.life === life && line.end <= copyOf.size);
    if (!copies.some((copy) => !isRecognisable(copy, life))) return false;
    this.#exempt('copy not recognisable');
    return true;
  }

  /** The lives that have the line because it was copied. */
  #copiesOf(life: Life, line: Line): Life[] {
    const copies = this.#evidence.lives.filter(({ copyOf }) => copyOf?.life === life && line.end <= copyOf.size);
    const original =
      life.copyOf && line.end <= life.copyOf.size && life.copyOf.life.end?.how === 'truncated'
        ? [life.copyOf.life]
        : [];
    return [...copies.filter(() => life.end?.how === 'truncated'), ...original];
  }

  /** What was in the same inode before or after, and may have been taken for the same content. */
  #takenForOne(life: Life, line: Line): Life[] {
    const successors = this.#evidence.lives.filter(({ previous }) => previous === life);
    const others = life.previous ? [life.previous, ...successors] : successors;
    return others.filter((other) => {
      const shared = life.sharedPrefix(other);
      const older = other === life.previous ? other : life;
      return line.end <= shared && ![...(this.#deliveries.get(older)?.keys() ?? [])].some((end) => end > shared);
    });
  }

  #generationsOf(life: Life, line: Line): string {
    return (this.#deliveries.get(life)?.get(line.end) ?? []).map(({ id }) => id).join(', ');
  }

  #isDelivered(life: Life, line: Line): boolean {
    return (this.#deliveries.get(life)?.get(line.end)?.length ?? 0) > 0;
  }

  #checkTiling({ id, life, records }: Generation, losses: readonly Loss[]): void {
    const where = `generation ${id}, ${life ? nameOf(life) : 'no life'}`;
    const coverage = new Coverage();
    for (const { start, end } of records)
      if (coverage.add(start, end) > 0)
        this.#result.violations.push({ kind: 'overlap', text: `${start}-${end} twice: ${where}` });
    for (const loss of losses) if (loss.generation === id) coverage.add(loss.start, loss.end);
    const first = Math.min(...records.map(({ start }) => start));
    for (const { start, end } of coverage.holes(first, Math.max(...records.map((record) => record.end))))
      this.#result.violations.push({ kind: 'hole', text: `${start}-${end} without a record or a loss: ${where}` });
    this.#checkSealed(id, life, coverage);
  }

  /** A sealed generation is complete from `first` to `size`, except for its losses. */
  #checkSealed(id: string, life: Life | undefined, coverage: Coverage): void {
    const sealed = this.#evidence.facts.filter((fact) => fact.kind === 'sealed' && fact.generation === id);
    const last = sealed.reduce<AuditFact | undefined>((a, b) => ((a?.size ?? -1) > (b.size ?? 0) ? a : b), undefined);
    if (!last || !life) return;
    const missing = coverage.holes(last.first ?? 0, last.size ?? 0);
    // A hole at the end has no line after it whose range could cover it.
    const real = missing.filter(({ start, end }) => !life.bytes.subarray(start, end).every((byte) => byte === 0));
    for (const { start, end } of real)
      this.#result.violations.push({
        kind: 'sealed',
        text: `sealed at ${last.size}, ${start}-${end} is missing: generation ${id}, ${nameOf(life)}`,
      });
  }

  #violate(kind: ViolationKind, life: Life, line: Line, what: string): void {
    const text = life.bytes.toString('latin1', line.start, Math.min(line.end - 1, line.start + 30));
    this.#result.violations.push({ kind, text: `line ${line.start}-${line.end} of ${nameOf(life)} ${what}: ${text}` });
  }

  #exempt(exemption: Exemption): void {
    this.#result.exemptions[exemption] = (this.#result.exemptions[exemption] ?? 0) + 1;
  }
}

/**
 * A new file with enough bytes and the name that logrotate gives to a copy, in the same folder from
 * the beginning, of a file that the globs matched.
 */
function isRecognisable(copy: Life, original: Life): boolean {
  if ((copy.copyOf?.size ?? 0) < COPY_BYTES_MIN || copy.previous) return false;
  if ((copy.matched[0]?.fromMs ?? Number.POSITIVE_INFINITY) - copy.bornAtMs > CREATION_MS) return false;
  if (!original.matched.some(({ fromMs, toMs }) => fromMs < copy.bornAtMs && copy.bornAtMs <= toMs)) return false;
  return [...original.paths].some((path) =>
    [...copy.paths].some((other) => [`${path}.1`, `${path}-20261130`].includes(other)),
  );
}
