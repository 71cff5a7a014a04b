import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FieldReference, loadReference, type Reference } from './reference.ts';

const TEMPLATE = join(import.meta.dirname, 'entries-page.template.md');
const FIELDS_MARK = '<!-- fields -->';
const NOTE = `<!-- Do not edit. "npm run generate" makes this page from proto/logfleet/v1/entry.proto and
proto/reference/entries-page.template.md. -->

`;

/**
 * The text of docs/entries.md: the template, with the fields of Entry as entry.proto documents
 * them.
 */
export function entriesPage(): string {
  const reference = loadReference();
  const fields = reference.get('logfleet.v1.Entry')?.fields ?? [];
  const given = fields.filter(({ outputOnly }) => !outputOnly);
  const parts = [
    overview(given, reference),
    ...given.flatMap((field) => section(field, reference)),
    '### Set by the server',
    'Output contains these fields. In a file that is applied they are ignored, except `etag`.',
    table(
      ['field', 'type', 'meaning'],
      fields
        .filter(({ outputOnly }) => outputOnly)
        .map((field) => [code(field.name), field.type, field.description.join(' ')]),
    ),
  ];
  return NOTE + readFileSync(TEMPLATE, 'utf8').replace(FIELDS_MARK, () => parts.join('\n\n'));
}

function overview(fields: readonly FieldReference[], reference: Reference): string {
  const rows = fields.flatMap((field) => {
    const inner = fieldsOf(field, reference).map((child) => row(child, `${field.name}.${child.name}`));
    return [row(field, field.name), ...inner];
  });
  return table(['field', 'type', 'default', 'values or bounds'], rows);
}

function row(field: FieldReference, path: string): string[] {
  const limits = [field.values, field.bounds].filter((text) => text !== undefined);
  return [`[${code(path)}](#${anchor(path)})`, code(field.type), defaultOf(field), shortened(limits.join('; '))];
}

function section(field: FieldReference, reference: Reference, parent = ''): string[] {
  const path = parent + field.name;
  const details = reference.get(field.message ?? '')?.description ?? [];
  const facts = [
    `Type: ${code(field.type)}.`,
    field.required ? 'Required.' : `Default: ${defaultOf(field)}.`,
    ...(field.values === undefined ? [] : [`Values: ${field.values}.`]),
    ...(field.bounds === undefined ? [] : [`Bounds: ${field.bounds}.`]),
  ];
  return [
    `${parent === '' ? '###' : '####'} ${code(path)}`,
    ...field.description,
    ...details,
    facts.map((fact) => `- ${fact.replaceAll('\n', '\n  ')}`).join('\n'),
    ...(field.example === undefined ? [] : [`\`\`\`yaml\n${field.example}\n\`\`\``]),
    ...fieldsOf(field, reference).flatMap((child) => section(child, reference, `${path}.`)),
  ];
}

function fieldsOf(field: FieldReference, reference: Reference): readonly FieldReference[] {
  return reference.get(field.message ?? '')?.fields ?? [];
}

function defaultOf(field: FieldReference): string {
  if (field.required) return 'required';
  return field.default ?? 'none';
}

function oneLine(text: string): string {
  return text.replaceAll('\n', ' ');
}

/** A table's cell is one line: of a long list its beginning. */
function shortened(text: string): string {
  const [first = '', second, third, ...rest] = oneLine(text).split(', ');
  return rest.length > 3 ? `${first}, ${second}, ${third}, …` : text;
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => oneLine(cell).replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n');
}

/** The anchor that GitHub gives to a heading. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

function code(text: string): string {
  return `\`${text}\``;
}
