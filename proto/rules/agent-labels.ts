import type { AgentIdentity } from '../gen/logfleet/v1/fleet.ts';
import type { FieldViolation } from './field-violation.ts';
import { isLabelKey, isLabelValue } from './selector.ts';

const LABELS_MAX = 64;
const RESERVED = ['agent', 'host', 'os'];

/** The labels that selectors see: the agent's own labels, and `agent`, `host` and `os`. */
export function selectorLabels(identity: AgentIdentity): Record<string, string> {
  return { ...identity.labels, agent: identity.agentId, host: identity.host, os: identity.os };
}

/** The rules that an agent's own labels violate. */
export function agentLabelViolations(labels: Readonly<Record<string, string>>, field = 'labels'): FieldViolation[] {
  const reserved = RESERVED.filter((key) => key in labels).map((key) => ({
    field: `${field}[${JSON.stringify(key)}]`,
    description: `the key "${key}" is reserved: logfleet sets it itself, so choose another key`,
  }));
  return [...reserved, ...labelViolations(labels, field)];
}

/** The rules that labels violate: of an agent or of an entry. */
export function labelViolations(labels: Readonly<Record<string, string>>, field = 'labels'): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const pairs = Object.entries(labels);
  if (pairs.length > LABELS_MAX)
    violations.push({ field, description: `${pairs.length} labels are too many: use at most ${LABELS_MAX}` });
  const rule = 'up to 63 letters, digits, "-", "_" or ".", beginning and ending with a letter or digit';
  for (const [key, value] of pairs) {
    const at = `${field}[${JSON.stringify(key)}]`;
    if (!isLabelKey(key))
      violations.push({ field: at, description: `the key ${JSON.stringify(key)} is not a label key: use ${rule}` });
    if (!isLabelValue(value)) {
      violations.push({
        field: at,
        description: `the value ${JSON.stringify(value)} is not a label value: use ${rule}`,
      });
    }
  }
  return violations;
}
