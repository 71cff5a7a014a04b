import type { Range } from './coverage.ts';

/** A loss in the audit topic. */
export interface AuditLoss extends Range {
  generation: string;
  reason: string;
  /** What was known to be lost ends here; before `end` if the loss has an open end. */
  knownEnd: number;
}

interface AuditSealed {
  generation: string;
  entry: string;
  path: string;
  first: number;
  size: number;
  /** The end of its last record; agents report it only when a filter has removed lines after it. */
  recordsEnd: number;
}

/** Where the agent began to read a generation, and why. */
export interface AuditBeginning {
  first: number;
  reason: string;
}

/** The facts of the audit topic by generation. */
export class AuditFacts {
  readonly sealed = new Map<string, AuditSealed>();
  readonly #begun = new Map<string, AuditBeginning>();
  readonly #losses = new Map<string, AuditLoss[]>();
  readonly #seen = new Set<string>();
  /** The number of records that are not facts. */
  invalidRecords = 0;

  /** Adds a record's value. `sealed` facts written after the topic was read must be left out. */
  add(value: Buffer | null, { withSealed }: { withSealed: boolean }): void {
    const fact = parse(value);
    if (!fact) this.invalidRecords++;
    else if (fact['kind'] === 'sealed' && withSealed) this.#addSealed(fact);
    else if (fact['kind'] === 'begun') this.#addBegun(fact);
    else if (fact['kind'] === 'loss') this.#addLoss(fact);
  }

  /**
   * Where a generation begins. undefined: no fact says so, and it begins at 0. Older agents name
   * the position only when they seal the generation, without a reason.
   */
  beginningOf(generation: string): AuditBeginning | undefined {
    const sealed = this.sealed.get(generation);
    return this.#begun.get(generation) ?? (sealed && { first: sealed.first, reason: 'unknown' });
  }

  lossesOf(generation: string): readonly AuditLoss[] {
    return this.#losses.get(generation) ?? [];
  }

  /** A generation is sealed again when it has grown; the largest size counts. */
  #addSealed(fact: Record<string, unknown>): void {
    const { generation, entry, path } = fact as Record<string, string>;
    const [first, size] = [Number(fact['first']), Number(fact['size'])];
    const sealed = {
      generation,
      entry,
      path,
      first,
      size,
      recordsEnd: Number(fact['recordsEnd'] ?? size),
    } as AuditSealed;
    if (sealed.size >= (this.sealed.get(sealed.generation)?.size ?? 0)) this.sealed.set(sealed.generation, sealed);
  }

  #addBegun(fact: Record<string, unknown>): void {
    this.#begun.set(String(fact['generation']), { first: Number(fact['first']), reason: String(fact['reason']) });
  }

  #addLoss(fact: Record<string, unknown>): void {
    const id = String(fact['id']);
    if (this.#seen.has(id)) return;
    this.#seen.add(id);
    const generation = String(fact['generation']);
    // The end is unknown.
    const knownEnd = Number(fact['end']);
    const end = fact['openEnded'] === true ? Number.POSITIVE_INFINITY : knownEnd;
    const loss = { generation, start: Number(fact['start']), end, knownEnd, reason: String(fact['reason']) };
    const own = this.#losses.get(generation);
    if (own) own.push(loss);
    else this.#losses.set(generation, [loss]);
  }
}

function parse(value: Buffer | null): Record<string, unknown> | undefined {
  try {
    const fact: unknown = JSON.parse(String(value));
    return typeof fact === 'object' && fact !== null && 'generation' in fact
      ? (fact as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
