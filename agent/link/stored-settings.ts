import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AgentSettings } from '../../proto/gen/logfleet/v1/agent_settings.ts';
import { errorCode, errorText } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { writeDurably } from './write-durably.ts';

const VERSION = 1;

/** What applies an agent's settings. */
export interface SettingsTarget {
  readonly settings: AgentSettings;
  set(settings: AgentSettings): void;
}

/**
 * An operator's settings for this agent, applied and stored, so that they hold when the agent
 * starts without a controller.
 */
export class StoredSettings {
  readonly #file: string;
  readonly #target: SettingsTarget;
  readonly #logger: Logger;

  constructor(stateDir: string, target: SettingsTarget, logger: Logger) {
    this.#file = join(stateDir, 'settings.json');
    this.#target = target;
    this.#logger = logger;
  }

  /** The etag of the settings in force; empty if there are none. */
  get etag(): string {
    return this.#target.settings.etag;
  }

  /**
   * Applies the stored settings. An invalid file is logged and ignored: the controller sends them
   * again.
   */
  async restore(): Promise<void> {
    try {
      const stored = JSON.parse(await readFile(this.#file, 'utf8')) as { version: number; settings: unknown };
      if (stored.version !== VERSION) throw new Error(`version ${stored.version} is unknown: expected ${VERSION}`);
      this.#put(AgentSettings.fromJSON(stored.settings));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return;
      const remedy = 'the controller sends the settings again when the agent connects';
      this.#logger.error('the stored settings are ignored', { file: this.#file, error: errorText(error), remedy });
    }
  }

  /** Stores settings and applies them. */
  async apply(settings: AgentSettings): Promise<void> {
    try {
      const stored = { version: VERSION, settings: AgentSettings.toJSON(settings) };
      if (settings.etag === '') await rm(this.#file, { force: true });
      else await writeDurably(this.#file, `${JSON.stringify(stored, undefined, 1)}\n`);
    } catch (error) {
      this.#logger.error('cannot store the settings for the next start', {
        file: this.#file,
        error: errorText(error),
      });
    }
    this.#put(settings);
  }

  #put(settings: AgentSettings): void {
    const { etag, paused, pausedEntries, maxBytesPerSecond, draining, reason, author } = settings;
    const set = { paused, pausedEntries, maxBytesPerSecond, draining };
    this.#logger.info('settings applied', { etag, ...set, reason, author });
    this.#target.set(settings);
  }
}
