import { AgentSettings } from '../../proto/gen/logfleet/v1/agent_settings.ts';
import type { AgentHealth } from '../../proto/gen/logfleet/v1/fleet.ts';
import type { Clock } from '../../runtime/clock.ts';
import { Drain, type DrainTarget } from './drain.ts';
import { RateLimit } from './read/rate-limit.ts';

/** What other settings take effect on. */
export interface ControlTarget extends Omit<DrainTarget, 'hold'> {
  /** Pauses or resumes all files as the settings say. */
  assignRoutes(): void;
}

/** The operator's settings in force: whether, and how fast, entries may be read. */
export class Controls {
  readonly #clock: Clock;
  readonly #agent: ControlTarget;
  readonly limit: RateLimit;
  #settings = AgentSettings.create();
  #pausedEntries: ReadonlySet<string> = new Set();
  #drain: Drain | undefined;
  /** A drain has read everything: nothing more is read. */
  #held = false;
  #stopped = false;

  constructor(clock: Clock, agent: ControlTarget) {
    this.#clock = clock;
    this.#agent = agent;
    this.limit = new RateLimit(clock);
  }

  get settings(): AgentSettings {
    return this.#settings;
  }

  set(settings: AgentSettings): void {
    this.#settings = settings;
    this.#pausedEntries = new Set(settings.pausedEntries);
    if (this.#stopped) return;
    this.limit.set(Number(settings.maxBytesPerSecond));
    if (!settings.draining) {
      this.#drain?.stop();
      this.#drain = undefined;
      this.#held = false;
    }
    this.#agent.assignRoutes();
    if (!settings.draining || this.#drain) return;
    this.#drain = new Drain({ ...this.#agent, hold: () => this.#hold() }, this.#clock);
    void this.#drain.run();
  }

  /** Whether the files of an entry must not be read. */
  isPaused(entry: string): boolean {
    return this.#held || this.#settings.paused || this.#pausedEntries.has(entry);
  }

  /** What the agent's health reports of it. */
  status(leftBytes: bigint): Pick<AgentHealth, 'settingsEtag' | 'drain'> {
    const drain = this.#drain && { ...this.#drain.state, leftBytes };
    return { settingsEtag: this.#settings.etag, drain };
  }

  /** Stops everything that runs on its own: the agent is stopping. */
  stop(): void {
    this.#stopped = true;
    this.#drain?.stop();
    this.limit.dropWaiting();
  }

  #hold(): void {
    if (this.#held) return;
    this.#held = true;
    this.#agent.assignRoutes();
  }
}
