import type { Range } from './coverage.ts';

/** A loss as the audit topic tells it. */
export interface AuditLoss extends Range {
  generation: string;
  reason: string;
}

interface AuditSealed {
  generation: string;
  entry: string;
  path: string;
  first: number;
  size: number;
  /** Where its last record ends: an agent that filters nothing out tells only `size`. */
  recordsEnd: number;
}

/** What the audit topic says, by generation. */
export class AuditFacts {
  readonly sealed = new Map<string, AuditSealed>();
  readonly #losses = new Map<string, AuditLoss[]>();
  readonly #seen = new Set<string>();
  /** Records that are no facts. */
  senseless = 0;

  /** Takes a record's value in. `sealed` facts are left out when they are later than what was read of the topic. */
  add(value: Buffer | null, { withSealed }: { withSealed: boolean }): void {
    const fact = parse(value);
    if (!fact) this.senseless++;
    else if (fact['kind'] === 'sealed' && withSealed) this.#addSealed(fact);
    else if (fact['kind'] === 'loss') this.#addLoss(fact);
  }

  lossesOf(generation: string): readonly AuditLoss[] {
    return this.#losses.get(generation) ?? [];
  }

  /** The same file may be sealed more than once, as when it grew again: the largest counts. */
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

  #addLoss(fact: Record<string, unknown>): void {
    const id = String(fact['id']);
    if (this.#seen.has(id)) return;
    this.#seen.add(id);
    const generation = String(fact['generation']);
    // Nobody saw how much there was.
    const end = fact['openEnded'] === true ? Number.POSITIVE_INFINITY : Number(fact['end']);
    const loss = { generation, start: Number(fact['start']), end, reason: String(fact['reason']) };
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
