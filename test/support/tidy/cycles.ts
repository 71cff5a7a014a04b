import { posix } from 'node:path';
import { type ImportGraph, importGraph } from './imports.ts';
import type { SourceFile, Violation } from './source-file.ts';

/**
 * Cycles between files, and between folders. Type imports count: what a reader must understand
 * together is a cycle. A folder is the directory in which a file lies, so a parent is another
 * folder than its child.
 */
export function cycleViolations(files: readonly SourceFile[]): Violation[] {
  return [...violationsIn(importGraph(files), 'files'), ...violationsIn(importGraph(files, posix.dirname), 'folders')];
}

function violationsIn(graph: ImportGraph, kind: 'files' | 'folders'): Violation[] {
  return tangles(graph).map((tangle) => {
    const cycle = shortestCycle(graph, tangle);
    const [first, second] = cycle as [string, string];
    const edge = graph.get(first)?.get(second);
    return {
      path: edge?.path ?? first,
      line: edge?.line ?? 1,
      problem: `a cycle of ${kind}: ${[...cycle, first].join(' → ')} (${tangle.length} ${kind} reach each other)`,
      remedy: 'move what both sides need to a file below them, or declare an interface where it is used',
    };
  });
}

/**
 * The sets of two and more nodes that all reach each other: Tarjan's strongly connected components.
 */
export function tangles(graph: ImportGraph): string[][] {
  const found: string[][] = [];
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const onStack = new Set<string>();
  const visit = (node: string): number => {
    const number = order.size;
    order.set(node, number);
    let lowest = number;
    stack.push(node);
    onStack.add(node);
    for (const next of graph.get(node)?.keys() ?? []) {
      if (!order.has(next)) lowest = Math.min(lowest, visit(next));
      else if (onStack.has(next)) lowest = Math.min(lowest, low.get(next) ?? (order.get(next) as number));
    }
    low.set(node, lowest);
    if (lowest === number) {
      const tangle = stack.splice(stack.indexOf(node));
      for (const member of tangle) onStack.delete(member);
      if (tangle.length > 1) found.push(tangle.sort());
    }
    return lowest;
  };
  for (const node of graph.keys()) if (!order.has(node)) visit(node);
  return found;
}

/** A shortest cycle through the first member that lies on one of the least length. */
function shortestCycle(graph: ImportGraph, tangle: readonly string[]): string[] {
  const cycles = tangle.map((start) => cycleThrough(graph, start, new Set(tangle)));
  return cycles.reduce((best, cycle) => (cycle.length < best.length ? cycle : best));
}

function cycleThrough(graph: ImportGraph, start: string, within: ReadonlySet<string>): string[] {
  let paths: string[][] = [[start]];
  const seen = new Set<string>();
  while (paths.length > 0) {
    const longer: string[][] = [];
    for (const path of paths) {
      for (const next of graph.get(path.at(-1) as string)?.keys() ?? []) {
        if (next === start) return path;
        if (!within.has(next) || seen.has(next)) continue;
        seen.add(next);
        longer.push([...path, next]);
      }
    }
    paths = longer;
  }
  throw new Error(`${start} lies on no cycle`);
}
