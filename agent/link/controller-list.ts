/**
 * The controllers that an agent may connect to, in turn: the configured ones and those that a
 * controller announced. It begins with a random one, so that agents spread over the controllers.
 */
export class ControllerList {
  readonly #configured: readonly string[];
  #learned: readonly string[] = [];
  /** Announced controllers that this agent can't reach, until the next announcement. */
  readonly #unreachable = new Set<string>();
  #last = '';
  #preferred: string | undefined;

  constructor(configured: readonly string[]) {
    this.#configured = configured;
  }

  /** The next address to try. */
  next(): string {
    const all = this.#all();
    const at = all.indexOf(this.#last);
    const next = this.#preferred ?? all[at === -1 ? Math.floor(Math.random() * all.length) : (at + 1) % all.length];
    this.#preferred = undefined;
    this.#last = next as string;
    return this.#last;
  }

  /**
   * Takes a controller's announcement, which replaces the previous one. `preferred`, if not empty,
   * is next.
   */
  learn(addresses: readonly string[], preferred: string): void {
    this.#unreachable.clear();
    this.#learned = [...addresses];
    this.#preferred = preferred === '' ? undefined : preferred;
  }

  /** Notes that the last one can't be reached. Configured addresses are tried for ever. */
  markUnreachable(): void {
    if (!this.#configured.includes(this.#last)) this.#unreachable.add(this.#last);
  }

  /** Makes any other controller the next one. Call it after a stream that worked has ended. */
  preferAnother(): void {
    const others = this.#all().filter((address) => address !== this.#last);
    if (others.length > 0) this.#preferred ??= others[Math.floor(Math.random() * others.length)];
  }

  #all(): string[] {
    return [...new Set([...this.#configured, ...this.#learned])].filter((address) => !this.#unreachable.has(address));
  }
}
