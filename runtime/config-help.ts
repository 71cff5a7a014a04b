import { type ConfigSpec, flagOf, variableOf } from './config.ts';
import { type Leaf, leavesOf } from './config-leaves.ts';

/** The text of `--help`: made from the schema, so that it can't leave a setting out. */
export function renderHelp(spec: ConfigSpec<never> | ConfigSpec<import('zod').ZodType>): string {
  const leaves = leavesOf(spec.schema);
  const flagsOf = (leaf: Leaf) => {
    const alias = Object.entries(spec.aliases).find(([, key]) => key === leaf.key)?.[0];
    return alias ? `--${alias}, ${flagOf(leaf.key)}` : flagOf(leaf.key);
  };
  const settings = leaves.map((leaf) => {
    const fallback = leaf.default === undefined ? '' : ` (default: ${textOf(leaf.default)})`;
    return `  ${flagsOf(leaf)}\n        ${leaf.description}${fallback}\n        ${variableOf(spec.program, leaf.key)}`;
  });
  return `${spec.summary}

Usage: ${spec.program} [--config FILE] [--SETTING VALUE]...

Examples:
${spec.examples.map((example) => `  ${example}`).join('\n')}

Options:
  --config FILE     settings as YAML, by the same names
  --print-config    print the settings in force and where they come from
  --version, --help

Settings, each as a flag, as a variable, or in the file; flags win over variables, variables over the file:
${settings.join('\n')}
`;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value || '""' : JSON.stringify(value);
}
