import { type Answer, TapPart } from '../../proto/gen/logfleet/v1/ask.ts';
import type { AskAgentsResponse } from '../../proto/gen/logfleet/v1/fleet_service.ts';

/**
 * Bytes that may wait. Samples of taps beyond it are dropped and counted; other parts always wait.
 */
const WAITING_BYTES_MAX = 1024 * 1024;

/** Passes the responses of many agents to one reader, which may be slow. */
export class ResponseQueue {
  readonly #waiting: { response: AskAgentsResponse; bytes: number }[] = [];
  /** Dropped samples by agent. The counts are added to the agent's next part. */
  readonly #dropped = new Map<string, { leftOut: bigint; dropped: bigint }>();
  #bytes = 0;
  #closed = false;
  #wakeReader: (() => void) | undefined;
  #waitingWriters: (() => void)[] = [];

  get hasRoom(): boolean {
    return this.#bytes < WAITING_BYTES_MAX;
  }

  /** Resolves when the queue has room or is closed. */
  async waitForRoom(): Promise<void> {
    while (!this.hasRoom && !this.#closed) await new Promise<void>((wake) => this.#waitingWriters.push(wake));
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

  /** Waits for the next part; undefined when the queue is closed and empty. */
  async take(): Promise<AskAgentsResponse | undefined> {
    while (this.#waiting.length === 0 && !this.#closed)
      await new Promise<void>((wake) => {
        this.#wakeReader = wake;
      });
    const next = this.#waiting.shift();
    this.#bytes -= next?.bytes ?? 0;
    if (this.hasRoom) this.#wakeWriters();
    return next?.response;
  }

  /** Ends the queue after what is waiting. */
  close(): void {
    this.#closed = true;
    this.#wakeReader?.();
    this.#wakeWriters();
  }

  #drop(agent: string, { lines, leftOut, dropped }: TapPart): void {
    const previous = this.#dropped.get(agent) ?? { leftOut: 0n, dropped: 0n };
    const counts = { leftOut: previous.leftOut + leftOut, dropped: previous.dropped + dropped + BigInt(lines.length) };
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

  #wakeWriters(): void {
    for (const wake of this.#waitingWriters.splice(0)) wake();
  }
}
