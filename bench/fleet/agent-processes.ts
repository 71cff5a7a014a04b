import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { systemClock } from '../../runtime/clock.ts';
import { readUsage } from '../usage.ts';
import type { AgentsSpec, Answer, Question } from './agents-protocol.ts';

const MAIN = join(import.meta.dirname, 'agents-main.ts');
const LOOK_INTERVAL_MS = 50;

type Asked = Question extends infer One ? (One extends Question ? Omit<One, 'id'> : never) : never;

/**
 * Simulated agents in a few processes, with the link of real agents. They are killed with their
 * scope.
 */
export class AgentProcesses implements AsyncDisposable {
  readonly #children: ChildProcess[];
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly count: number;
  #questions = 0;

  constructor(spec: Omit<AgentsSpec, 'first'>, processes: number) {
    this.count = spec.count;
    const each = Math.ceil(spec.count / processes);
    this.#children = Array.from({ length: processes }, (_, index) => {
      const first = index * each;
      const own: AgentsSpec = { ...spec, first, count: Math.min(each, spec.count - first) };
      const child = fork(MAIN, [JSON.stringify(own)], {
        serialization: 'advanced',
        execArgv: ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=32'],
      });
      child.on('message', (answer: Answer) => {
        this.#waiting.get(answer.id)?.(answer);
        this.#waiting.delete(answer.id);
      });
      return child;
    });
  }

  /**
   * Waits until this many are connected (to this address). Returns when the last one connected, by
   * CLOCK_MONOTONIC.
   */
  connected(count: number, timeoutMs: number, address?: string): Promise<number> {
    const asked: Asked = { ask: 'connected', ...(address !== undefined && { address }) };
    return this.#until(asked, count, timeoutMs, 'connected').then((answers) => latest(answers));
  }

  async connectedNow(address?: string): Promise<number> {
    const answers = await this.#ask({ ask: 'connected', ...(address !== undefined && { address }) });
    return answers.reduce((sum, { count }) => sum + count, 0);
  }

  /** Waits until all have applied this revision. Returns when each did. */
  async applied(entry: string, etag: string, timeoutMs: number): Promise<number[]> {
    const answers = await this.#until({ ask: 'applied', entry, etag }, this.count, timeoutMs, 'applied it');
    return answers.flatMap(({ timesMs = [] }) => timesMs);
  }

  cpuSeconds(): number {
    return this.#children.reduce((sum, { pid }) => sum + (readUsage(pid ?? 0)?.cpuSeconds ?? 0), 0);
  }

  /** Kills all at once, without a goodbye. */
  async kill(): Promise<void> {
    const ended = this.#children.map((child) =>
      child.exitCode !== null || child.signalCode !== null
        ? undefined
        : new Promise((resolve) => child.once('exit', resolve)),
    );
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(ended);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #until(asked: Asked, enough: number, timeoutMs: number, what: string): Promise<Answer[]> {
    const deadlineMs = systemClock.monotonicMs() + timeoutMs;
    for (;;) {
      const answers = await this.#ask(asked);
      const count = answers.reduce((sum, answer) => sum + answer.count, 0);
      if (count >= enough) return answers;
      if (systemClock.monotonicMs() > deadlineMs)
        throw new Error(`${count} of ${enough} agents have ${what} after ${timeoutMs / 1000} s; ${describe(answers)}`);
      await systemClock.sleep(LOOK_INTERVAL_MS);
    }
  }

  #ask(asked: Asked): Promise<Answer[]> {
    return Promise.all(
      this.#children.map((child) => {
        const id = this.#questions++;
        const { promise, resolve, reject } = Promise.withResolvers<Answer>();
        this.#waiting.set(id, resolve);
        if (!child.connected) reject(new Error('a process of simulated agents has ended'));
        else child.send({ ...asked, id }, (error) => error && reject(error));
        return promise;
      }),
    );
  }
}

function describe(answers: readonly Answer[]): string {
  const connected = answers.reduce((sum, answer) => sum + answer.connected, 0);
  const failures = answers.flatMap((answer) => [...answer.failures].map(([reason, count]) => `${count} × ${reason}`));
  return [`${connected} are connected`, ...failures].join('; ');
}

function latest(answers: readonly Answer[]): number {
  return Math.max(...answers.map(({ lastMs }) => lastMs));
}
