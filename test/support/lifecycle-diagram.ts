import { transitions } from '../../agent/collect/sources/lifecycle.ts';

/**
 * The mermaid diagram of one column of the lifecycle's table, as docs/internals/identity.md has it.
 */
export function lifecycleDiagram(column: 'activity' | 'phase', starts: readonly string[]): string {
  const events = new Map<string, string[]>();
  for (const [event, rule] of Object.entries(transitions)) {
    for (const [from, to] of Object.entries(rule[column])) {
      if (from === to) continue;
      const edge = `${from} --> ${to}`;
      events.set(edge, [...(events.get(edge) ?? []), event]);
    }
  }
  const edges = [...events].map(([edge, labels]) => `  ${edge} : ${labels.join(', ')}`);
  return ['```mermaid', 'stateDiagram-v2', ...starts.map((start) => `  [*] --> ${start}`), ...edges, '```'].join('\n');
}
