import { AgentSettings } from '../../proto/gen/logfleet/v1/agent_settings.ts';
import { areDefaults } from '../../proto/rules/agent-settings-rules.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ApiError } from '../errors/api-error.ts';
import type { EtcdClient } from '../etcd/etcd-client.ts';
import type { StoredKey } from '../etcd/etcd-keys.ts';
import type { EtcdMirror } from '../etcd/etcd-mirror.ts';
import { EtcdView } from '../etcd/etcd-view.ts';
import { encodeSettings, parseSettings, settingsName } from './settings-record.ts';

/** A write that lost a race is tried again with what is there now, this often. */
const ATTEMPTS_MAX = 5;

/** What operators have set for agents: in etcd, and as every controller sees it. Most agents have nothing. */
export class SettingsStore {
  readonly #client: EtcdClient;
  readonly #mirror: EtcdMirror;
  readonly #prefix: string;
  readonly #view: EtcdView<AgentSettings>;

  constructor(client: EtcdClient, mirror: EtcdMirror, prefix: string, logger: Logger) {
    this.#client = client;
    this.#mirror = mirror;
    this.#prefix = `${prefix}settings/`;
    // An agent that is paused must not read on for a slip in etcd.
    this.#view = new EtcdView(mirror, this.#prefix, parseSettings, logger, { keepsLast: true });
  }

  /** undefined: nothing is set. */
  find(agentId: string): AgentSettings | undefined {
    return this.#view.get(agentId);
  }

  /** Of all agents that have some, in no order. Throws UNAVAILABLE as long as etcd has never answered. */
  all(): AgentSettings[] {
    this.#requireView();
    return [...this.#view.all()].map(([, settings]) => settings);
  }

  /** An agent's settings; the defaults when nothing is set. Throws UNAVAILABLE as long as etcd has never answered. */
  get(agentId: string): AgentSettings {
    this.#requireView();
    return this.find(agentId) ?? AgentSettings.create({ name: settingsName(agentId) });
  }

  /** Calls `listener` with the id of each agent whose settings changed. */
  onChange(listener: (agentId: string) => void): void {
    this.#view.onChange(listener);
  }

  /** Makes of an agent's settings what `change` says, which may throw; returns them as they are then. Nothing is written for what is so already. */
  async update(agentId: string, change: (former: AgentSettings) => AgentSettings): Promise<AgentSettings> {
    const key = this.#prefix + agentId;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const stored = await this.#client.get(key);
      const former = this.#formerOf(agentId, stored);
      const next = change(former);
      if (next === former) return former;
      const [puts, deletes] = areDefaults(next) ? [[], [key]] : [[{ key, value: encodeSettings(next) }], []];
      const revision = await this.#client.transact({
        when: [{ key, revision: stored?.revision ?? 0n }],
        puts,
        deletes,
      });
      if (revision === undefined) continue;
      await this.#mirror.reaches(revision);
      return areDefaults(next) ? this.#defaults(agentId) : { ...next, etag: String(revision) };
    }
    throw new ApiError('ABORTED', `${settingsName(agentId)} is being changed by others all the time: try again`);
  }

  #formerOf(agentId: string, stored: StoredKey | undefined): AgentSettings {
    try {
      if (stored) return parseSettings(stored.value, stored.revision);
    } catch {
      // The view has told of it: what somebody wrote past us and makes no sense is written over.
    }
    return this.#defaults(agentId);
  }

  #defaults(agentId: string): AgentSettings {
    return AgentSettings.create({ name: settingsName(agentId) });
  }

  #requireView(): void {
    if (this.#mirror.revision === 0n)
      throw new ApiError('UNAVAILABLE', 'the controller has not reached etcd yet: try again');
  }
}
