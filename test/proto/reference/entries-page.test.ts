import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { entriesPage } from '../../../proto/reference/entries-page.ts';
import { type FieldReference, loadReference } from '../../../proto/reference/reference.ts';
import { entryFromDocument, entryToDocument } from '../../../proto/rules/entry-document.ts';
import { withEntryDefaults } from '../../../proto/rules/entry-rules.ts';
import { ENCODINGS } from '../../../proto/rules/line-words.ts';
import { recipesOfPage } from '../../support/recipes.ts';

const MINIMAL = { name: 'a', paths: ['/a'], topic: 't' };
const reference = loadReference();
const fields = reference.get('logfleet.v1.Entry')?.fields.filter(({ outputOnly }) => !outputOnly) ?? [];
const inner = ['Multiline', 'Filter'].flatMap((name) => {
  const parent = name.toLowerCase();
  return (reference.get(`logfleet.v1.${name}`)?.fields ?? []).map((field) => ({ parent, field }));
});
const all = [...fields.map((field) => ({ parent: '', field })), ...inner];

/** A document that sets one field: a field of an object gets what else the object requires. */
function documentWith(parent: string, field: string, value: unknown): object {
  if (parent === '') return { ...MINIMAL, [field]: value };
  return { ...MINIMAL, [parent]: { ...(parent === 'filter' ? { include: 'x' } : { start: 'x' }), [field]: value } };
}

function violationsOf(document: object): string[] {
  return entryFromDocument(document).violations.map(({ field, description }) => `${field}: ${description}`);
}

function words({ values = '' }: FieldReference): string[] {
  return [...values.matchAll(/`([^`]+)`/g)].map((match) => match[1] as string);
}

test('every example of a field is a valid part of an entry and sets that field', () => {
  for (const { parent, field } of all) {
    const example = parse(field.example ?? '') as Record<string, Record<string, unknown>>;
    assert.deepEqual(violationsOf({ ...MINIMAL, ...example }), [], field.example);
    assert.ok(Object.hasOwn(parent === '' ? example : (example[parent] ?? {}), field.name), field.example);
  }
});

/** Agents of older releases refuse a field that they do not know, so it is not filled in. */
const NOT_FILLED_IN: Record<string, unknown> = { follow_links: true };

test('every documented default is the one that is filled in', () => {
  const { entry } = entryFromDocument({ ...MINIMAL, multiline: { start: 'x' } });
  const filled = entryToDocument(withEntryDefaults(entry)) as Record<string, Record<string, unknown>>;
  const documented = all.filter(({ field }) => /^(`.*`|\d+)$/.test(field.default ?? ''));
  assert.ok(documented.length >= 8);
  for (const { parent, field } of documented) {
    const value = (parent === '' ? filled : filled[parent])?.[field.name] ?? NOT_FILLED_IN[field.name] ?? false;
    assert.equal(String(value), field.default?.replaceAll('`', ''), field.name);
  }
});

test('documented bounds of numbers are the first and the last value that is accepted', () => {
  const bounded = all.filter(({ field }) => field.type === 'integer');
  assert.equal(bounded.length, 4);
  for (const { parent, field } of bounded) {
    const [, least = '', most = ''] = /^([\d,]+) to ([\d,^]+)/.exec(field.bounds ?? '') ?? [];
    const [min, max] = [least, most].map((text) => (text === '2^50' ? 2 ** 50 : Number(text.replaceAll(',', ''))));
    if (min === undefined || max === undefined) throw new Error(`${field.name} has no bounds`);
    for (const good of [min, max])
      assert.deepEqual(violationsOf(documentWith(parent, field.name, good)), [], field.name);
    for (const bad of [min - 1, max + 1])
      assert.equal(violationsOf(documentWith(parent, field.name, bad)).length, 1, `${field.name}: ${bad}`);
  }
});

test('every documented value is accepted, and every encoding is documented', () => {
  const listed = all.filter(({ field }) => field.values !== undefined);
  assert.equal(listed.length, 6);
  for (const { parent, field } of listed)
    for (const word of words(field)) assert.deepEqual(violationsOf(documentWith(parent, field.name, word)), [], word);
  const encodings = fields.find(({ name }) => name === 'encoding') as FieldReference;
  const ranges = [
    ...(encodings.values ?? '').replaceAll('\n', ' ').matchAll(/`([a-z]+-(?:\d+-)?)(\d+)` to `[a-z]+-(?:\d+-)?(\d+)`/g),
  ];
  const between = ranges.flatMap(([, prefix, first, last]) =>
    Array.from({ length: Number(last) - Number(first) + 1 }, (_, index) => `${prefix}${Number(first) + index}`),
  );
  assert.deepEqual([...new Set([...words(encodings), ...between])].sort(), [...ENCODINGS].sort());
});

test('the page describes every field, and its prose has at most 100 columns', () => {
  const page = entriesPage();
  for (const { parent, field } of all) {
    const path = parent === '' ? field.name : `${parent}.${field.name}`;
    assert.match(page, new RegExp(`^####? \`${path.replace('.', '\\.')}\`$`, 'm'));
  }
  const prose = page.replace(/^```.*?^```$/gms, '').split('\n');
  assert.deepEqual(
    prose.filter((line) => line.length > 100 && !line.startsWith('|')),
    [],
  );
});

test('every recipe is a valid entry', () => {
  const recipes = recipesOfPage();
  assert.ok(recipes.length >= 4);
  for (const { title, violations } of recipes) assert.deepEqual(violations, [], title);
});
