import { type Leaf, type LeafKind, leavesOf } from './config-leaves.ts';
import { type ConfigSpec, flagOf, variableOf } from './config-spec.ts';
import { indentText, wrapText } from './wrap-text.ts';

const PLACEHOLDERS: Readonly<Record<LeafKind, string>> = {
  text: ' VALUE',
  number: ' NUMBER',
  flag: '',
  list: ' VALUE,…',
  map: ' KEY=VALUE,…',
};
const DETAILS_INDENT = ' '.repeat(8);

/**
 * The text of `--help`, wrapped at `width`. It is made from the schema, so it contains every
 * setting.
 */
export function renderHelp(spec: ConfigSpec<never> | ConfigSpec<import('zod').ZodType>, width: number): string {
  const settings = leavesOf(spec.schema).map((leaf) => {
    const fallback = leaf.default === undefined || leaf.default === false ? '' : ` (default: ${textOf(leaf.default)})`;
    const details = wrapText(`${leaf.description}${fallback}`, width - DETAILS_INDENT.length);
    const variable = variableOf(spec.program, leaf.key);
    return `  ${flagsOf(leaf, spec.aliases)}\n${indentText(`${details}\n${variable}`, DETAILS_INDENT)}`;
  });
  return `${wrapText(spec.summary, width)}

Usage: ${spec.program} [OPTION]... [SETTING]...

Examples:
${spec.examples.map((example) => `  ${example}`).join('\n')}

Options:
  --config FILE     read settings from a YAML file; its keys are the settings' names
  --print-config    print the settings in force and the origin of each, then exit
  --version         print the version, then exit
  -h, --help        print this help, then exit

Settings:
${indentText(wrapText('Each can be a flag, an environment variable, or a key of the file. A flag takes precedence over a variable, and a variable over the file.', width - 2), '  ')}

${settings.join('\n')}
`;
}

function flagsOf(leaf: Leaf, aliases: Readonly<Record<string, string>>): string {
  const alias = Object.entries(aliases).find(([, key]) => key === leaf.key)?.[0];
  return `${alias ? `--${alias}, ` : ''}${flagOf(leaf.key)}${PLACEHOLDERS[leaf.kind]}`;
}

function textOf(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return ['', '[]', '{}'].includes(text) ? 'none' : text;
}
