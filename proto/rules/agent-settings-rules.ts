import type { AgentSettings } from '../gen/logfleet/v1/agent_settings.ts';
import type { FieldViolation } from './field-violation.ts';
import { entryId } from './names.ts';
import { rateViolations } from './rate-rules.ts';

const PAUSED_ENTRIES_MAX = 1_000;

/** Every rule that an agent's settings break, but for their name. */
export function agentSettingsViolations(settings: AgentSettings): FieldViolation[] {
  const { paused, pausedEntries, draining, maxBytesPerSecond } = settings;
  const violations = rateViolations(maxBytesPerSecond);
  if (pausedEntries.length > PAUSED_ENTRIES_MAX) {
    const description = `has ${pausedEntries.length} entries: at most ${PAUSED_ENTRIES_MAX}; or pause the agent`;
    violations.push({ field: 'paused_entries', description });
  }
  for (const [index, name] of pausedEntries.entries()) {
    if (entryId(name)) continue;
    const description = `${JSON.stringify(name.slice(0, 100))} is not an entry's name: entries/ID`;
    violations.push({ field: `paused_entries[${index}]`, description });
  }
  if (paused && draining) {
    const description = 'an agent that is paused reads nothing, so it can not be drained: resume it first';
    violations.push({ field: 'draining', description });
  }
  return violations;
}

/** Nothing is set: an agent without settings behaves like this. */
export function areDefaults({ paused, pausedEntries, draining, maxBytesPerSecond }: AgentSettings): boolean {
  return !paused && !draining && pausedEntries.length === 0 && maxBytesPerSecond === 0n;
}
