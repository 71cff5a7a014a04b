import { AgentSettings } from '../../proto/gen/logfleet/v1/agent_settings.ts';
import { areDefaults } from '../../proto/rules/agent-settings-rules.ts';
import { makeEtag } from '../../proto/rules/etag.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ApiError } from '../errors/api-error.ts';
import type { EtcdClient } from '../etcd/etcd-client.ts';
import type { StoredKey } from '../etcd/etcd-keys.ts';
import type { EtcdMirror } from '../etcd/etcd-mirror.ts';
import { EtcdView } from '../etcd/etcd-view.ts';
import type { KeyFamily } from '../etcd/keyspace.ts';
import { encodeSettings, parseSettings, settingsName } from './settings-record.ts';

/** How often an update that lost a race is tried. */
const ATTEMPTS_MAX = 5;

/**
 * What operators have set for agents, in etcd and in a view of it. Most agents have no settings.
 */
export class SettingsRepository {
  readonly #client: EtcdClient;
  readonly #mirror: EtcdMirror;
  readonly #keys: KeyFamily;
  readonly #view: EtcdView<AgentSettings>;

  constructor(client: EtcdClient, mirror: EtcdMirror, keys: KeyFamily, logger: Logger) {
    this.#client = client;
    this.#mirror = mirror;
    this.#keys = keys;
    // A paused agent must not resume because of an invalid value.
    const parse = (value: string, { revision }: { revision: bigint }) => parseSettings(value, revision);
    this.#view = new EtcdView(mirror, keys, parse, logger, { keepsLast: true });
  }

  /** Undefined when nothing is set. */
  find(agentId: string): AgentSettings | undefined {
    return this.#view.get(agentId);
  }

  /** All settings, unsorted. Throws UNAVAILABLE until etcd has responded once. */
  all(): AgentSettings[] {
    this.#mirror.requireList();
    return [...this.#view.all()].map(([, settings]) => settings);
  }

  /** An agent's settings, by default empty. Throws UNAVAILABLE until etcd has responded once. */
  get(agentId: string): AgentSettings {
    this.#mirror.requireList();
    return this.find(agentId) ?? AgentSettings.create({ name: settingsName(agentId) });
  }

  /** Calls `listener` with the id of each agent whose settings have changed. */
  onChange(listener: (agentId: string) => void): void {
    this.#view.onChange(listener);
  }

  /**
   * Changes an agent's settings and returns the new ones, once the view has them. `change` may
   * throw. When it returns its argument, nothing is written.
   */
  async update(agentId: string, change: (present: AgentSettings) => AgentSettings): Promise<AgentSettings> {
    const key = this.#keys.key(agentId);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const stored = await this.#client.get(key);
      const present = this.#parse(agentId, stored);
      const next = change(present);
      if (next === present) return present;
      const value = encodeSettings(next);
      const [puts, deletes] = areDefaults(next) ? [[], [key]] : [[{ key, value }], []];
      const revision = await this.#client.transact({
        conditions: [{ key, revision: stored?.revision ?? 0n }],
        puts,
        deletes,
      });
      if (revision === undefined) continue;
      await this.#mirror.waitForRevision(revision);
      return areDefaults(next) ? this.#defaults(agentId) : { ...next, etag: makeEtag(revision, value) };
    }
    throw new ApiError('ABORTED', `${settingsName(agentId)} change too often to update: try again`);
  }

  #parse(agentId: string, stored: StoredKey | undefined): AgentSettings {
    try {
      if (stored) return parseSettings(stored.value, stored.revision);
    } catch {
      // An invalid value was written behind our back, and the view has logged it. It is
      // overwritten.
    }
    return this.#defaults(agentId);
  }

  #defaults(agentId: string): AgentSettings {
    return AgentSettings.create({ name: settingsName(agentId) });
  }
}
