import { type Answer, TapPart } from '../../proto/gen/logfleet/v1/ask.ts';
import type { AskAgentsResponse } from '../../proto/gen/logfleet/v1/fleet_service.ts';

/** Samples wait up to here; what comes beyond is dropped and counted. Answers that are whole wait: they are bounded where they are asked for. */
const WAITING_BYTES_MAX = 1024 * 1024;

/** Answers on their way from many agents to one reader, who may be slow. */
export class AnswerQueue {
  readonly #waiting: { response: AskAgentsResponse; bytes: number }[] = [];
  /** Counts of samples that were dropped, by agent: told with its next part. */
  readonly #dropped = new Map<string, { leftOut: bigint; dropped: bigint }>();
  #bytes = 0;
  #closed = false;
  #wakeReader: (() => void) | undefined;
  #wakeWriters: (() => void)[] = [];

  /** There is room for more. */
  get hasRoom(): boolean {
    return this.#bytes < WAITING_BYTES_MAX;
  }

  /** Resolves when there is room, or nobody reads any more. */
  async room(): Promise<void> {
    while (!this.hasRoom && !this.#closed) await new Promise<void>((wake) => this.#wakeWriters.push(wake));
  }

  put(agent: string, answer: Answer, bytes: number): void {
    if (this.#closed) return;
    if (answer.part?.$case === 'tap' && !answer.done && !this.hasRoom) {
      this.#drop(agent, answer.part.value);
      return;
    }
    this.#bytes += bytes;
    this.#waiting.push({ response: { agent, answer: this.#withCounts(agent, answer) }, bytes });
    this.#wakeReader?.();
  }

  /** The next one, waited for; undefined when the queue is closed and empty. */
  async take(): Promise<AskAgentsResponse | undefined> {
    while (this.#waiting.length === 0 && !this.#closed)
      await new Promise<void>((wake) => {
        this.#wakeReader = wake;
      });
    const next = this.#waiting.shift();
    this.#bytes -= next?.bytes ?? 0;
    if (this.hasRoom) this.#letWrite();
    return next?.response;
  }

  /** Nothing more comes. */
  close(): void {
    this.#closed = true;
    this.#wakeReader?.();
    this.#letWrite();
  }

  #drop(agent: string, { lines, leftOut, dropped }: TapPart): void {
    const former = this.#dropped.get(agent) ?? { leftOut: 0n, dropped: 0n };
    const counts = { leftOut: former.leftOut + leftOut, dropped: former.dropped + dropped + BigInt(lines.length) };
    this.#dropped.set(agent, counts);
  }

  #withCounts(agent: string, answer: Answer): Answer {
    const counts = this.#dropped.get(agent);
    if (!counts || (answer.part && answer.part.$case !== 'tap')) return answer;
    this.#dropped.delete(agent);
    const part = answer.part?.value ?? TapPart.create();
    const value = { ...part, leftOut: part.leftOut + counts.leftOut, dropped: part.dropped + counts.dropped };
    return { ...answer, part: { $case: 'tap', value } };
  }

  #letWrite(): void {
    for (const wake of this.#wakeWriters.splice(0)) wake();
  }
}
