import { hello } from './agent-streams.ts';
import { type ApiClient, apiClient, type Stream } from './grpc-client.ts';

/** What an agent reports of a version of an entry. */
export interface Report {
  state: string;
  error?: string;
  lost_bytes?: number;
  lag_bytes?: number;
}

interface Desired {
  kind: string;
  upserts: { name: string; etag: string; topic: string }[];
  removed: string[];
}

const RECONNECT_MS = 200;

/**
 * An agent's stream to real controllers, without files. It applies at once what it gets and
 * acknowledges it, or reports what `reports` says.
 */
export class StreamAgent implements Disposable {
  readonly id: string;
  readonly #addresses: readonly string[];
  readonly #labels: Record<string, string>;
  readonly #held = new Map<string, { etag: string; topic: string }>();
  /** Every version that it ever got, as `entry@topic`. */
  readonly told = new Set<string>();
  /** What it reports for a topic instead of APPLIED. */
  readonly reports = new Map<string, Report>();
  /** It takes what it gets and reports nothing. */
  silent = false;
  #stream: Stream | undefined;
  #api: ApiClient | undefined;
  #closed = false;
  /** On the present stream. */
  #reported = false;
  connections = 0;

  constructor(id: string, addresses: readonly string[], labels: Record<string, string> = {}) {
    this.id = id;
    this.#addresses = addresses;
    this.#labels = labels;
    void this.#run();
  }

  /** The topic of an entry as the agent has it now. Tests tell versions apart by it. */
  topicOf(name: string): string | undefined {
    return this.#held.get(name)?.topic;
  }

  /** Reports the state of its entries again, and that it no longer has the `removed` ones. */
  report(removed: readonly string[] = []): void {
    const entries = [...this.#held].map(([entry, { etag, topic }]) => ({
      ...{ entry, etag },
      ...(this.reports.get(topic) ?? { state: 'STATE_APPLIED' }),
    }));
    this.#stream?.write({ report: { full: !this.#reported, entries, removed_entries: removed, health: {} } });
    this.#reported = true;
  }

  /** Ends the stream. The agent reconnects by itself. */
  reconnect(): void {
    this.#stream?.cancel();
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#stream?.cancel();
    this.#api?.[Symbol.dispose]();
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      const address = this.#addresses[this.connections++ % this.#addresses.length] as string;
      this.#api = apiClient(address);
      this.#stream = this.#api.stream('AgentService', 'Connect');
      this.#reported = false;
      try {
        const identity = { agent_id: this.id, host: 'h', os: 'linux', labels: this.#labels };
        hello(this.#stream, this.id, { identity });
        for await (const { desired } of this.#stream) if (desired) this.#take(desired as Desired);
      } catch {
        // Its controller was killed, or has not started yet.
      }
      this.#api[Symbol.dispose]();
      if (!this.#closed) await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
    }
  }

  #take({ kind, upserts, removed }: Desired): void {
    if (kind === 'KIND_SNAPSHOT') this.#held.clear();
    for (const { name, etag, topic } of upserts) {
      this.#held.set(name, { etag, topic });
      this.told.add(`${name.replace(/^entries\//, '')}@${topic}`);
    }
    for (const name of removed) this.#held.delete(name);
    if (!this.silent) this.report(removed);
  }
}
