import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AgentSettings } from '../../proto/gen/logfleet/v1/agent_settings.ts';
import { errorCode, errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { writeDurably } from './write-durably.ts';

const VERSION = 1;

/** What follows an agent's settings. */
export interface SettingsTarget {
  readonly settings: AgentSettings;
  set(settings: AgentSettings): void;
}

/** What an operator has set for this agent: in force, and on disk, so that it stays in force when the agent starts without a controller. */
export class StoredSettings {
  readonly #file: string;
  readonly #follower: SettingsTarget;
  readonly #logger: Logger;

  constructor(stateDir: string, follower: SettingsTarget, logger: Logger) {
    this.#file = join(stateDir, 'settings.json');
    this.#follower = follower;
    this.#logger = logger;
  }

  /** Of the settings in force; empty when there are none. */
  get etag(): string {
    return this.#follower.settings.etag;
  }

  /** Puts in force what was kept. A file that makes no sense is told and ignored: the controller tells the settings again. */
  async restore(): Promise<void> {
    try {
      const kept = JSON.parse(await readFile(this.#file, 'utf8')) as { version: number; settings: unknown };
      if (kept.version !== VERSION) throw new Error(`format ${kept.version} is not known`);
      this.#put(AgentSettings.fromJSON(kept.settings));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return;
      this.#logger.error(`${this.#file} can't be used and is ignored`, { error: errorText(error) });
    }
  }

  /** Keeps settings and puts them in force. */
  async apply(settings: AgentSettings): Promise<void> {
    try {
      const kept = { version: VERSION, settings: AgentSettings.toJSON(settings) };
      if (settings.etag === '') await rm(this.#file, { force: true });
      else await writeDurably(this.#file, `${JSON.stringify(kept, undefined, 1)}\n`);
    } catch (error) {
      this.#logger.error('the settings could not be kept for the next start', { error: errorText(error) });
    }
    this.#put(settings);
  }

  #put(settings: AgentSettings): void {
    const { etag, paused, pausedEntries, maxBytesPerSecond, draining, reason, author } = settings;
    const set = { paused, pausedEntries, maxBytesPerSecond, draining };
    this.#logger.info('settings of an operator are in force', { etag, ...set, reason, author });
    this.#follower.set(settings);
  }
}
