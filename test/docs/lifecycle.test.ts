import assert from 'node:assert/strict';
import { test } from 'node:test';
import { transitions } from '../../agent/collect/sources/lifecycle.ts';
import { readPage } from '../support/markdown.ts';

const diagrams = [
  ...readPage('docs/internals/identity.md')
    .lines.join('\n')
    .matchAll(/^```mermaid\nstateDiagram-v2\n([\s\S]*?)^```/gm),
].map((match) => (match[1] as string).trimEnd().split('\n').slice(1));

for (const [index, part] of (['activity', 'phase'] as const).entries()) {
  test(`the diagram of a file's ${part} is the lifecycle's table`, () => {
    const events = new Map<string, string[]>();
    for (const [event, transition] of Object.entries(transitions)) {
      for (const [from, to] of Object.entries(transition[part])) {
        if (from === to) continue;
        const edge = `  ${from} --> ${to}`;
        events.set(edge, [...(events.get(edge) ?? []), event]);
      }
    }
    const edges = [...events].map(([edge, names]) => `${edge} : ${names.join(', ')}`);
    assert.deepEqual(diagrams[index], edges);
  });
}
