/**
 * The controllers that an agent may connect to, in turn: those that it is configured with, and those that a controller has told of. It
 * begins anywhere, so that controllers share the agents.
 */
export class ControllerList {
  readonly #configured: readonly string[];
  #learned: readonly string[] = [];
  /** Told of, but not to be reached from here; until another list is told. */
  readonly #unreachable = new Set<string>();
  #last = '';
  #preferred: string | undefined;

  constructor(configured: readonly string[]) {
    this.#configured = configured;
  }

  /** The next one to try. */
  next(): string {
    const all = this.#all();
    const at = all.indexOf(this.#last);
    const next = this.#preferred ?? all[at === -1 ? Math.floor(Math.random() * all.length) : (at + 1) % all.length];
    this.#preferred = undefined;
    this.#last = next as string;
    return this.#last;
  }

  /** Takes what a controller tells: its list replaces the former one. `preferred`, when not empty, is to be the next. */
  learn(addresses: readonly string[], preferred: string): void {
    this.#unreachable.clear();
    this.#learned = [...addresses];
    this.#preferred = preferred === '' ? undefined : preferred;
  }

  /** The last one could not be reached at all. Those that the agent is configured with are tried for ever. */
  markUnreachable(): void {
    if (!this.#configured.includes(this.#last)) this.#unreachable.add(this.#last);
  }

  /** After a stream that worked: any may be the next, but for the one that has just gone. */
  preferAnother(): void {
    const others = this.#all().filter((address) => address !== this.#last);
    if (others.length > 0) this.#preferred ??= others[Math.floor(Math.random() * others.length)];
  }

  #all(): string[] {
    return [...new Set([...this.#configured, ...this.#learned])].filter((address) => !this.#unreachable.has(address));
  }
}
