import { posix } from 'node:path';
import { isCode, isGenerated, lineAt, type SourceFile } from './source-file.ts';

/** An import, a type import, a re-export or an `import()`. */
export interface Import {
  specifier: string;
  line: number;
}

/** A statement starts its line; an `import()` may stand anywhere. */
const STATEMENT = /^(?:import|export)\b[^;'"]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm;

export function importsOf({ text }: SourceFile): Import[] {
  return [...text.matchAll(STATEMENT)].map((match) => ({
    specifier: (match[1] ?? match[2] ?? match[3]) as string,
    line: lineAt(text, match.index),
  }));
}

export function isRelative(specifier: string): boolean {
  return specifier.startsWith('.');
}

/** The path of the file that a relative specifier names. */
export function importedPath(importer: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(importer), specifier));
}

/** The line of one import; an edge of a graph between files or folders. */
export interface Edge {
  path: string;
  line: number;
}

/** From each node to the nodes that it imports, with the first import of each. */
export type ImportGraph = ReadonlyMap<string, ReadonlyMap<string, Edge>>;

/**
 * The graph between files, or between what `nodeOf` makes of their paths. Imports within one node
 * are no edges.
 */
export function importGraph(files: readonly SourceFile[], nodeOf = (path: string): string => path): ImportGraph {
  const graph = new Map<string, Map<string, Edge>>();
  for (const file of files.filter(({ path }) => isCode(path) && !isGenerated(path))) {
    const node = nodeOf(file.path);
    const edges = graph.get(node) ?? new Map<string, Edge>();
    graph.set(node, edges);
    for (const { specifier, line } of importsOf(file).filter(({ specifier }) => isRelative(specifier))) {
      const target = nodeOf(importedPath(file.path, specifier));
      if (target !== node && !edges.has(target)) edges.set(target, { path: file.path, line });
    }
  }
  return graph;
}
