import type { FieldReference, MessageReference, Reference } from '../../proto/reference/reference.ts';
import { indentText, wrapText } from '../../runtime/wrap-text.ts';
import type { PathTarget } from './field-path.ts';

const INDENT = '  ';

/** Describes a kind or a field with its own fields, as `kubectl explain` does. */
export function renderReference({ kind, path, field, message }: PathTarget, width: number): string {
  const description = [...(field?.description ?? []), ...(message?.description ?? [])];
  const sections = [
    [`KIND:   ${kind}`, ...(field ? [`FIELD:  ${path.join('.')} ${typeOf(field)}`] : [])].join('\n'),
    section('DESCRIPTION', description, width),
    ...(field ? fieldSections(field, width) : []),
    ...(message ? [fieldsSection(message, width)] : []),
  ];
  return `${sections.join('\n\n')}\n`;
}

/** Lists the names and types of all fields below a kind or a field. */
export function renderTree(reference: Reference, { kind, path, message }: PathTarget): string {
  const lines = message ? treeLines(reference, message) : [];
  return `${[[kind, ...path].join('.'), ...lines.map((line) => INDENT + line)].join('\n')}\n`;
}

function treeLines(reference: Reference, { fields }: MessageReference): string[] {
  return fields.flatMap((field) => {
    const inner = reference.get(field.message ?? '');
    const lines = inner ? treeLines(reference, inner) : [];
    return [`${field.name} ${typeOf(field)}`, ...lines.map((line) => INDENT + line)];
  });
}

function fieldSections(field: FieldReference, width: number): string[] {
  const facts = factsOf(field);
  const values = field.enumValues.map(({ name, description }) => named(name, description, width));
  return [
    ...(facts.length === 0 ? [] : [facts.map((fact) => wrapText(fact, width)).join('\n')]),
    ...(values.length === 0 ? [] : [`VALUES:\n${values.join('\n')}`]),
    ...(field.example === undefined ? [] : [`EXAMPLE:\n${INDENT}${field.example}`]),
  ];
}

function factsOf(field: FieldReference): string[] {
  return [
    ...(field.required ? ['Required.'] : []),
    ...(field.outputOnly ? ['Output only: the server sets it.'] : []),
    ...Object.entries({ Default: field.default, Values: field.values, Bounds: field.bounds }).flatMap(
      ([label, text]) => (text === undefined ? [] : [`${label}: ${plain(text)}.`]),
    ),
  ];
}

function fieldsSection({ fields }: MessageReference, width: number): string {
  const items = fields.map((field) => named(`${field.name} ${typeOf(field)}${mark(field)}`, [summary(field)], width));
  return `FIELDS:\n${items.join('\n')}`;
}

/** The first sentence. The field's own page has the rest. */
function summary({ description }: FieldReference): string {
  const [first = ''] = description;
  return /^.*?[.:](?=\s|$)/s.exec(first)?.[0].replace(/:$/, '.') ?? first;
}

function mark({ required, outputOnly }: FieldReference): string {
  return required ? ' required' : outputOnly ? ' output only' : '';
}

function named(head: string, paragraphs: readonly string[], width: number): string {
  return `${INDENT}${head}\n${indented(paragraphs, INDENT.repeat(3), width)}`;
}

function section(title: string, paragraphs: readonly string[], width: number): string {
  return `${title}:\n${indented(paragraphs, INDENT, width)}`;
}

function indented(paragraphs: readonly string[], indent: string, width: number): string {
  return indentText(wrapText(plain(paragraphs.join('\n\n')), width - indent.length), indent);
}

function typeOf({ type }: FieldReference): string {
  return `<${type}>`;
}

/** A terminal does not render Markdown. */
function plain(text: string): string {
  return text.replaceAll('`', '"');
}
