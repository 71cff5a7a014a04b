import { createHash } from 'node:crypto';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Begun, Fact, FactLog, FactQueue, FactTotals, Loss, Sealed } from '../model/fact.ts';
import type { StateDatabase, StatePart } from './state-database.ts';

/** How many of the last facts are kept for display, by kind, beside those that are not audited. */
const KEPT = { begun: 20, loss: 1_000, sealed: 20 } as const;
const KINDS = ['loss', 'sealed', 'begun'] as const;
/** A fact takes some 0.3 KB. */
const UNAUDITED_MAX = 100_000;
/** How many facts are given up at once. Choosing them takes 0.1 s, whatever their number. */
const GIVEN_UP_AT_ONCE = UNAUDITED_MAX / 10;
const TOTALS_PREFIX = 'facts/';
const GIVEN_UP_KEY = 'facts-given-up';

type NewFact = ({ kind: 'begun' } & Begun) | ({ kind: 'loss' } & Loss) | ({ kind: 'sealed' } & Sealed);

export interface FactStoreDependencies {
  clock: Clock;
  logger: Logger;
  /** Whether there is an audit topic. Default: true. */
  audit?: boolean;
}

const NO_TOTALS: FactTotals = { losses: 0, lostBytes: 0, sealedFiles: 0 };

/**
 * The durable facts. Each is written by the same flush as the positions that were noted with it.
 */
export class FactStore implements FactLog, FactQueue, StatePart {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #hasAudit: boolean;
  readonly #statements: Statements;
  /** Entry names by uid. */
  readonly #names = new Map<string, string>();
  readonly #totals = new Map<string, FactTotals>();
  readonly #changedTotals = new Set<string>();
  /** The last facts of each kind, the oldest first, also those that are not written yet. */
  readonly #last: Record<Fact['kind'], Fact[]>;
  readonly #listeners: (() => void)[] = [];
  #noted = new Map<string, Fact>();
  /** Audited, but not written as such yet. */
  readonly #audited = new Set<string>();
  #givenUp: number;
  /** As the last write has it, which may fail. */
  #givenUpNext: number;

  constructor(state: StateDatabase, { clock, logger, audit = true }: FactStoreDependencies) {
    this.#clock = clock;
    this.#logger = logger;
    this.#hasAudit = audit;
    this.#statements = prepare(state);
    for (const row of this.#statements.totals.all())
      this.#totals.set(String(row['key']).slice(TOTALS_PREFIX.length), JSON.parse(String(row['value'])));
    this.#last = { loss: this.#load('loss'), sealed: this.#load('sealed'), begun: this.#load('begun') };
    this.#givenUp = this.#givenUpNext = Number(this.#statements.meta.get(GIVEN_UP_KEY)?.['value'] ?? 0);
    state.add(this);
  }

  begun(begun: Begun): void {
    const { path, generation, first, reason } = begun;
    if (!this.#note({ kind: 'begun', ...begun }, [first])) return;
    this.#logger.info('a file is read from a later position on', { path, generation, start: first, reason });
  }

  loss(loss: Loss): void {
    const { path, generation, start, end, bytes = end - start, openEnded, reason } = loss;
    if (!this.#note({ kind: 'loss', ...loss }, [start, end, reason])) return;
    this.#logger.error('bytes of a file are lost', { path, generation, start, end, bytes, openEnded, reason });
  }

  sealed(sealed: Sealed): void {
    const { path, generation, first, size } = sealed;
    if (!this.#note({ kind: 'sealed', ...sealed }, [first, size])) return;
    this.#logger.info('a file is complete in Kafka', { path, generation, size });
  }

  /** Sets the name of an entry for the facts that are noted from now on. */
  setEntryName(entryUid: string, name: string): void {
    this.#names.set(entryUid, name);
  }

  totals(entryUid: string): Readonly<FactTotals> {
    const { losses, lostBytes, sealedFiles } = this.#totals.get(entryUid) ?? NO_TOTALS;
    // Older agents stored sums of any size.
    return { losses, lostBytes: addBytes(0, lostBytes), sealedFiles };
  }

  /** Lost bytes of all entries that this agent ever had. */
  get lostBytes(): number {
    return [...this.#totals.values()].reduce((sum, { lostBytes }) => addBytes(sum, lostBytes), 0);
  }

  /** The last facts of each kind, the oldest first. */
  get last(): readonly Fact[] {
    return KINDS.flatMap((kind) => this.#last[kind]);
  }

  unaudited(count: number): Fact[] {
    return this.#statements.unaudited
      .all(count + this.#audited.size)
      .filter(({ id }) => !this.#audited.has(String(id)))
      .slice(0, count)
      .map(fromRow);
  }

  markAudited(ids: Iterable<string>): void {
    for (const id of ids) this.#audited.add(id);
  }

  get givenUpCount(): number {
    return this.#givenUp;
  }

  onAdded(listener: () => void): void {
    this.#listeners.push(listener);
  }

  get isDirty(): boolean {
    return this.#noted.size > 0 || this.#audited.size > 0;
  }

  write(): void {
    const { insert, putMeta, audit, prune } = this.#statements;
    for (const { id, timeMs, ...rest } of this.#noted.values())
      insert.run(id, JSON.stringify(rest), this.#hasAudit ? 0 : 1, timeMs);
    for (const uid of this.#changedTotals) putMeta.run(TOTALS_PREFIX + uid, JSON.stringify(this.#totals.get(uid)));
    for (const id of this.#audited) audit.run(id);
    this.#giveUp();
    for (const kind of KINDS) {
      const last = this.#last[kind];
      if (last.length === KEPT[kind]) prune.run((last[0] as Fact).timeMs, kind);
    }
  }

  onWritten(): void {
    const hasNew = this.#noted.size > 0;
    const count = this.#givenUpNext - this.#givenUp;
    this.#givenUp = this.#givenUpNext;
    const remedy = 'make the audit topic take facts: the agent shows why it does not';
    if (count > 0) this.#logger.error('facts are given up before the audit topic has them', { count, remedy });
    this.#noted.clear();
    this.#changedTotals.clear();
    this.#audited.clear();
    if (hasNew) for (const listener of this.#listeners) listener();
  }

  /**
   * Keeps a topic that takes no facts from filling the disk: the oldest go, sealed files first and
   * losses last.
   */
  #giveUp(): void {
    const { unauditedCount, giveUp, putMeta } = this.#statements;
    this.#givenUpNext = this.#givenUp;
    if (this.#noted.size === 0 || Number(unauditedCount.get()?.['count']) <= UNAUDITED_MAX) return;
    this.#givenUpNext += Number(giveUp.run(GIVEN_UP_AT_ONCE).changes);
    putMeta.run(GIVEN_UP_KEY, String(this.#givenUpNext));
  }

  /** False if the fact is noted already, for example by a process that was killed. */
  #note(fact: NewFact, what: readonly unknown[]): boolean {
    const { kind, entryUid, generation } = fact;
    const key = JSON.stringify([kind, entryUid, generation, ...what]);
    const id = createHash('sha256').update(key).digest('hex').slice(0, 16);
    if (this.#noted.has(id) || this.#isWritten(id)) return false;
    const entry = this.#names.get(entryUid) ?? entryUid;
    const noted: Fact = { id, timeMs: this.#clock.nowMs(), entry, ...fact };
    this.#noted.set(id, noted);
    this.#count(noted);
    const last = this.#last[kind];
    last.push(noted);
    if (last.length > KEPT[kind]) last.shift();
    return true;
  }

  #count(fact: Fact): void {
    if (fact.kind === 'begun') return;
    const totals = { ...this.totals(fact.entryUid) };
    if (fact.kind === 'sealed') totals.sealedFiles++;
    else {
      totals.losses++;
      totals.lostBytes = addBytes(totals.lostBytes, fact.bytes ?? fact.end - fact.start);
    }
    this.#totals.set(fact.entryUid, totals);
    this.#changedTotals.add(fact.entryUid);
  }

  /** If the state can't be read, the fact is recorded anyway. */
  #isWritten(id: string): boolean {
    try {
      return this.#statements.find.get(id) !== undefined;
    } catch {
      return false;
    }
  }

  #load(kind: Fact['kind']): Fact[] {
    return this.#statements.last.all(kind, KEPT[kind]).map(fromRow).reverse();
  }
}

type Statements = ReturnType<typeof prepare>;

function prepare({ db }: StateDatabase) {
  const kind = "json_extract(document, '$.kind')";
  return {
    insert: db.prepare('INSERT OR IGNORE INTO fact (id, document, audited, time_ms) VALUES (?, ?, ?, ?)'),
    find: db.prepare('SELECT 1 FROM fact WHERE id = ?'),
    last: db.prepare(`SELECT * FROM fact WHERE ${kind} = ? ORDER BY rowid DESC LIMIT ?`),
    unaudited: db.prepare('SELECT * FROM fact WHERE audited = 0 ORDER BY rowid LIMIT ?'),
    audit: db.prepare('UPDATE fact SET audited = 1 WHERE id = ?'),
    prune: db.prepare(`DELETE FROM fact WHERE audited = 1 AND time_ms < ? AND ${kind} = ?`),
    unauditedCount: db.prepare('SELECT count(*) AS count FROM fact WHERE audited = 0'),
    giveUp: db.prepare(
      `DELETE FROM fact WHERE rowid IN (SELECT rowid FROM fact WHERE audited = 0
         ORDER BY CASE ${kind} WHEN 'sealed' THEN 0 WHEN 'begun' THEN 1 ELSE 2 END, rowid LIMIT ?)`,
    ),
    meta: db.prepare('SELECT value FROM meta WHERE key = ?'),
    totals: db.prepare(`SELECT * FROM meta WHERE key LIKE '${TOTALS_PREFIX}%'`),
    putMeta: db.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)'),
  };
}

function fromRow(row: Record<string, unknown>): Fact {
  return { id: String(row['id']), timeMs: Number(row['time_ms']), ...JSON.parse(String(row['document'])) };
}

/** A sum that stays exact: sparse files may lose more than a number can count. */
function addBytes(sum: number, bytes: number): number {
  return Math.min(sum + bytes, Number.MAX_SAFE_INTEGER);
}
