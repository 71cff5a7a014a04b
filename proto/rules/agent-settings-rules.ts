import type { AgentSettings } from '../gen/logfleet/v1/agent_settings.ts';
import type { FieldViolation } from './field-violation.ts';
import { entryId } from './names.ts';
import { rateViolations } from './rate-rules.ts';

const PAUSED_ENTRIES_MAX = 1_000;

/** The rules that an agent's settings violate. Their name is not checked. */
export function agentSettingsViolations(settings: AgentSettings): FieldViolation[] {
  const { paused, pausedEntries, draining, maxBytesPerSecond } = settings;
  const violations = rateViolations(maxBytesPerSecond);
  if (pausedEntries.length > PAUSED_ENTRIES_MAX) {
    const description = `${pausedEntries.length} entries are too many: list at most ${PAUSED_ENTRIES_MAX}, or pause the agent`;
    violations.push({ field: 'paused_entries', description });
  }
  for (const [index, name] of pausedEntries.entries()) {
    if (entryId(name)) continue;
    const description = `${JSON.stringify(name.slice(0, 100))} is not an entry's name: use "entries/ID"`;
    violations.push({ field: `paused_entries[${index}]`, description });
  }
  if (paused && draining) {
    const description = 'a paused agent cannot be drained, because it reads nothing: resume it first';
    violations.push({ field: 'draining', description });
  }
  return violations;
}

/** Whether every setting has its default. Such settings are not stored. */
export function areDefaults({ paused, pausedEntries, draining, maxBytesPerSecond }: AgentSettings): boolean {
  return !paused && !draining && pausedEntries.length === 0 && maxBytesPerSecond === 0n;
}
