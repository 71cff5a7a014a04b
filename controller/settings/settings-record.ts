import { AgentSettings } from '../../proto/gen/logfleet/v1/agent_settings.ts';
import { agentSettingsViolations } from '../../proto/rules/agent-settings-rules.ts';
import { makeEtag } from '../../proto/rules/etag.ts';
import { agentId, isAgentId } from '../../proto/rules/names.ts';

const SUFFIX = '/settings';

/** `web-17` → `agents/web-17/settings`. */
export function settingsName(id: string): string {
  return `agents/${id}${SUFFIX}`;
}

/** `agents/web-17/settings` → `web-17`; undefined for any other name. */
export function settingsAgentId(name: string): string | undefined {
  return name.endsWith(SUFFIX) ? agentId(name.slice(0, -SUFFIX.length)) : undefined;
}

/** The value of a settings key: protobuf-JSON without the etag. */
export function encodeSettings({ etag: _etag, ...settings }: AgentSettings): string {
  return JSON.stringify(AgentSettings.toJSON(AgentSettings.create(settings)), undefined, 2);
}

/** Throws when the value is not the settings of an agent. */
export function parseSettings(value: string, revision: bigint): AgentSettings {
  const settings = { ...AgentSettings.fromJSON(JSON.parse(value)), etag: makeEtag(revision, value) };
  const [violation] = agentSettingsViolations(settings);
  if (violation) throw new Error(`${violation.field}: ${violation.description}`);
  if (!isAgentId(settingsAgentId(settings.name) ?? ''))
    throw new Error(`${settings.name} is not the name of an agent's settings: agents/ID/settings`);
  return settings;
}
