import { importedPath, importsOf, isRelative } from './imports.ts';
import { isCode, isGenerated, type SourceFile, type Violation } from './source-file.ts';

/** Which top-level folders a folder may import. CONTRIBUTING.md has the same table. */
export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  proto: [],
  runtime: [],
  agent: ['proto', 'runtime'],
  controller: ['proto', 'runtime'],
  cli: ['proto', 'runtime'],
  stack: ['runtime'],
  bench: ['agent', 'bin', 'controller', 'cli', 'proto', 'runtime', 'stack', 'test'],
  bin: ['cli', 'proto'],
  examples: [],
  test: ['agent', 'bin', 'controller', 'cli', 'proto', 'runtime', 'stack', 'bench'],
};

/**
 * The layers inside a folder, from the top down. A layer imports only layers below it. A layer may
 * hold several modules, which don't import each other. A module is a folder with all below it that
 * has no row, or a file without its ending.
 */
export type LayerTable = Readonly<Record<string, readonly (readonly string[])[]>>;

export const LAYERS: LayerTable = {
  agent: [
    ['main'],
    ['agent'],
    ['health-file'],
    ['link'],
    ['ask'],
    ['collect'],
    ['collect/sources'],
    ['collect/read'],
    ['collect/find', 'produce'],
    ['collect/files', 'collect/lag', 'encode', 'state'],
    ['model'],
    ['config', 'entries-file', 'kafka'],
  ],
  controller: [
    ['main'],
    ['controller'],
    ['create-alerter', 'create-fleet', 'create-fleet-service', 'create-rollouts'],
    ['rpc', 'metrics'],
    ['alerts', 'rollouts'],
    ['fleet'],
    ['desired'],
    ['entries', 'settings', 'topics'],
    ['etcd'],
    ['config', 'errors'],
  ],
  cli: [
    ['main'],
    ['program'],
    ['commands'],
    ['completion', 'explain', 'import', 'rollouts', 'top', 'verify'],
    ['entries', 'kinds'],
    ['rpc'],
    ['output'],
  ],
};

export function layerViolations(file: SourceFile, layers: LayerTable = LAYERS): Violation[] {
  if (!isCode(file.path) || isGenerated(file.path)) return [];
  const folder = topFolder(file.path);
  const allowed = MAY_IMPORT[folder];
  if (!allowed) return [notInTable(file.path, `the folder ${folder} is in no import table`, 'MAY_IMPORT')];
  const table = layers[folder];
  if (table && layerOf(table, file.path) < 0)
    return [notInTable(file.path, `${file.path} is in no layer of ${folder}`, `LAYERS.${folder}`)];
  return importsOf(file).flatMap(({ specifier, line }) => {
    if (!isRelative(specifier)) return [];
    const target = importedPath(file.path, specifier);
    const found = topFolder(target) === folder ? acrossLayers(table, file.path, target) : acrossFolders(folder, target);
    return found ? [{ path: file.path, line, ...found }] : [];
  });
}

type Finding = Pick<Violation, 'problem' | 'remedy'>;

function acrossFolders(folder: string, target: string): Finding | undefined {
  const other = topFolder(target);
  if (MAY_IMPORT[folder]?.includes(other)) return undefined;
  return {
    problem: `${folder} may not import ${other} (${target})`,
    remedy: `move what both need to runtime or proto; ${folder} may import ${MAY_IMPORT[folder]?.join(', ') || 'nothing'}`,
  };
}

function acrossLayers(table: LayerTable[string] | undefined, path: string, target: string): Finding | undefined {
  if (!table) return undefined;
  const from = moduleOf(table, path);
  const to = moduleOf(table, target);
  if (from === to || to === undefined || layerOf(table, path) < layerOf(table, target)) return undefined;
  return {
    problem: `${from} may not import ${to} (${target})`,
    remedy: 'import only from layers below, or move what both need to a lower layer',
  };
}

function notInTable(path: string, problem: string, table: string): Violation {
  return { path, line: 1, problem, remedy: `add it to ${table} in test/support/tidy/layers.ts and to CONTRIBUTING.md` };
}

function topFolder(path: string): string {
  return path.split('/')[0] as string;
}

function layerOf(table: LayerTable[string], path: string): number {
  const name = moduleOf(table, path);
  return table.findIndex((modules) => modules.some((module) => module === name));
}

/** The longest name in the table that the path, without its first folder, begins with. */
function moduleOf(table: LayerTable[string], path: string): string | undefined {
  const inner = path.slice(path.indexOf('/') + 1).replace(/\.ts$/, '');
  const names = table.flat().filter((name) => inner === name || inner.startsWith(`${name}/`));
  return names.sort((a, b) => b.length - a.length)[0];
}
