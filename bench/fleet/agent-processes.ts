import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { systemClock } from '../../runtime/clock.ts';
import { readUsage } from '../measure/usage.ts';
import type { AgentsRequest, AgentsResponse, AgentsSpec } from './agents-protocol.ts';

const MAIN = join(import.meta.dirname, 'agents-main.ts');
const LOOK_INTERVAL_MS = 50;

type Unsent = AgentsRequest extends infer One ? (One extends AgentsRequest ? Omit<One, 'id'> : never) : never;

/**
 * Simulated agents in a few processes, with the link of real agents. They are killed with their
 * scope.
 */
export class AgentProcesses implements AsyncDisposable {
  readonly #children: ChildProcess[];
  readonly #waiting = new Map<number, (response: AgentsResponse) => void>();
  readonly count: number;
  #requests = 0;

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
      child.on('message', (response: AgentsResponse) => {
        this.#waiting.get(response.id)?.(response);
        this.#waiting.delete(response.id);
      });
      return child;
    });
  }

  /**
   * Waits until this many are connected (to this address). Returns when the last one connected, by
   * CLOCK_MONOTONIC.
   */
  connected(count: number, timeoutMs: number, address?: string): Promise<number> {
    const request: Unsent = { kind: 'connected', ...(address !== undefined && { address }) };
    return this.#until(request, count, timeoutMs, 'connected').then((responses) => latest(responses));
  }

  async connectedNow(address?: string): Promise<number> {
    const responses = await this.#send({ kind: 'connected', ...(address !== undefined && { address }) });
    return responses.reduce((sum, { count }) => sum + count, 0);
  }

  /** Waits until all have applied this revision. Returns when each did. */
  async applied(entry: string, etag: string, timeoutMs: number): Promise<number[]> {
    const responses = await this.#until({ kind: 'applied', entry, etag }, this.count, timeoutMs, 'applied it');
    return responses.flatMap(({ timesMs = [] }) => timesMs);
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

  async #until(request: Unsent, enough: number, timeoutMs: number, what: string): Promise<AgentsResponse[]> {
    const deadlineMs = systemClock.monotonicMs() + timeoutMs;
    for (;;) {
      const responses = await this.#send(request);
      const count = responses.reduce((sum, response) => sum + response.count, 0);
      if (count >= enough) return responses;
      if (systemClock.monotonicMs() > deadlineMs)
        throw new Error(
          `${count} of ${enough} agents have ${what} after ${timeoutMs / 1000} s; ${describe(responses)}`,
        );
      await systemClock.sleep(LOOK_INTERVAL_MS);
    }
  }

  #send(request: Unsent): Promise<AgentsResponse[]> {
    return Promise.all(
      this.#children.map((child) => {
        const id = this.#requests++;
        const { promise, resolve, reject } = Promise.withResolvers<AgentsResponse>();
        this.#waiting.set(id, resolve);
        if (!child.connected) reject(new Error('a process of simulated agents has ended'));
        else child.send({ ...request, id }, (error) => error && reject(error));
        return promise;
      }),
    );
  }
}

function describe(responses: readonly AgentsResponse[]): string {
  const connected = responses.reduce((sum, response) => sum + response.connected, 0);
  const failures = responses.flatMap((response) =>
    [...response.failures].map(([reason, count]) => `${count} × ${reason}`),
  );
  return [`${connected} are connected`, ...failures].join('; ');
}

function latest(responses: readonly AgentsResponse[]): number {
  return Math.max(...responses.map(({ lastMs }) => lastMs));
}
