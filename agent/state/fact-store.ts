import { randomBytes } from 'node:crypto';
import type { StatementSync } from 'node:sqlite';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { FactLog, Loss, Sealed } from './facts.ts';
import type { StateDatabase, StatePart } from './state-database.ts';

/** The durable record of facts: each is written with the same flush as the positions that were noted beside it. */
export class FactStore implements FactLog, StatePart {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #insert: StatementSync;
  #noted: { id: string; document: string }[] = [];

  constructor(state: StateDatabase, tools: { clock: Clock; logger: Logger }) {
    this.#clock = tools.clock;
    this.#logger = tools.logger;
    this.#insert = state.db.prepare('INSERT INTO fact (id, document, audited, time_ms) VALUES (?, ?, 0, ?)');
    state.add(this);
  }

  loss(loss: Loss): void {
    const { path, generation, start, end, bytes = end - start, reason } = loss;
    this.#logger.error('bytes of a file are lost', { path, generation, start, end, bytes, reason });
    this.#note({ kind: 'loss', ...loss });
  }

  sealed(sealed: Sealed): void {
    const { path, generation, size } = sealed;
    this.#logger.info('a file is complete in Kafka', { path, generation, size });
    this.#note({ kind: 'sealed', ...sealed });
  }

  get dirty(): boolean {
    return this.#noted.length > 0;
  }

  write(nowMs: number): void {
    for (const { id, document } of this.#noted) this.#insert.run(id, document, nowMs);
  }

  written(): void {
    this.#noted = [];
  }

  #note(fact: Record<string, unknown>): void {
    const document = JSON.stringify({ ...fact, timeMs: this.#clock.nowMs() });
    this.#noted.push({ id: randomBytes(8).toString('hex'), document });
  }
}
