import { AgentSettings } from '../../proto/gen/logfleet/v1/agent_settings.ts';
import { agentSettingsViolations } from '../../proto/rules/agent-settings-rules.ts';
import { agentId, isAgentId } from '../../proto/rules/names.ts';

const SUFFIX = '/settings';

/** `web-17` → `agents/web-17/settings`. */
export function settingsName(id: string): string {
  return `agents/${id}${SUFFIX}`;
}

/** `agents/web-17/settings` → `web-17`; undefined when it is not a name of settings. */
export function settingsAgentId(name: string): string | undefined {
  return name.endsWith(SUFFIX) ? agentId(name.slice(0, -SUFFIX.length)) : undefined;
}

/** As etcd keeps it, below `settings/`: protobuf-JSON without what etcd itself says. */
export function encodeSettings({ etag: _etag, ...settings }: AgentSettings): string {
  return JSON.stringify(AgentSettings.toJSON(AgentSettings.create(settings)), undefined, 2);
}

/** Throws for what makes no sense. */
export function parseSettings(value: string, revision: bigint): AgentSettings {
  const settings = { ...AgentSettings.fromJSON(JSON.parse(value)), etag: String(revision) };
  const [violation] = agentSettingsViolations(settings);
  if (violation) throw new Error(`${violation.field}: ${violation.description}`);
  if (!isAgentId(settingsAgentId(settings.name) ?? '')) throw new Error(`${settings.name} names no agent's settings`);
  return settings;
}
