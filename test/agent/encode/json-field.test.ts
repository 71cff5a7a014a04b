import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { JsonField } from '../../../agent/encode/json-field.ts';

type Json = string | { source: string; members?: Map<string, Json> };

/**
 * JSON by the letter of RFC 8259. JSON.parse is no oracle for an object's keys: in V8 13.6 (Node
 * 24) it confuses some keys with escapes, such as `"` and `\`, once it has parsed other objects.
 */
function parsed(text: string): Json | undefined {
  let at = 0;
  const take = (token: RegExp) => {
    const [found] = new RegExp(token, 'y').exec(text.slice(at)) ?? [];
    at += found?.length ?? 0;
    return found;
  };
  const must = (token: RegExp) => take(token) ?? assert.fail('no JSON');
  const space = () => must(/[ \t\r\n]*/);
  const string = () => take(/"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/);
  const list = (end: RegExp, item: () => void) => {
    space();
    if (take(end)) return;
    do item();
    while (take(/,/));
    must(end);
  };
  const value = (): Json => {
    space();
    const from = at;
    const members = new Map<string, Json>();
    const quoted = string();
    const isObject = !quoted && take(/\{/);
    if (isObject)
      list(/\}/, () => {
        space();
        const key = JSON.parse(string() ?? assert.fail('no key'));
        space();
        must(/:/);
        members.set(key, value());
      });
    else if (!quoted && take(/\[/)) list(/\]/, value);
    else if (!quoted) must(/-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null/);
    const source = text.slice(from, at);
    space();
    return quoted ? JSON.parse(quoted) : { source, ...(isObject && { members }) };
  };
  try {
    const whole = value();
    return at === text.length ? whole : undefined;
  } catch {
    return undefined;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function assertAgrees(bytes: Buffer, path: readonly string[]): void {
  const around = Buffer.concat([Buffer.from('{"a":"before"'), bytes, Buffer.from('"a":1}')]);
  const found = new JsonField(path).findText(around, 13, 13 + bytes.length);
  const text = bytes.toString();
  let expected = parsed(text);
  assert.equal(expected !== undefined, isJson(text), text);
  for (const key of path) expected = typeof expected === 'object' ? expected.members?.get(key) : undefined;
  assert.equal(found, typeof expected === 'object' ? expected.source : expected, text);
}

const keys = fc.constantFrom('a', 'b', 'ab', '', 'é', 'a.b', '"', '\\', '__proto__', 'constructor', '\ud800', 'a\n');
const paths = fc.array(keys, { minLength: 1, maxLength: 3 });
const space = fc.constantFrom('', '', ' ', '\t\r\n', '\v', '\u00a0');
const good = fc.constantFrom('', '', '', ' ', '\t\r\n');

/** A key as it may be written: literally, or with each character as an escape. */
const written = fc.tuple(keys, fc.boolean()).map(([key, escaped]) => {
  if (!escaped) return JSON.stringify(key);
  const units = [...Array(key.length).keys()].map((at) => key.charCodeAt(at).toString(16).padStart(4, '0'));
  return `"${units.map((unit) => `\\u${unit}`).join('')}"`;
});
const numbers = fc.constantFrom('0', '-0', '1.50', '1e3', '1E+3', '12345678901234567890', '-1.0e-2');
const broken = fc.constantFrom(
  '01',
  '1.',
  '.5',
  '+1',
  '1e',
  '-',
  'tru',
  'nul',
  'NaN',
  "'a'",
  '"\t"',
  '"\\x"',
  '"\\u12g4"',
  '"',
  '{',
  ']',
  '',
);

function documents(wrong: fc.Arbitrary<string>, gap: fc.Arbitrary<string>) {
  return fc.letrec<{ value: string; object: string; array: string }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.oneof(
        numbers,
        fc.constantFrom('true', 'false', 'null'),
        fc.string().map((text) => JSON.stringify(text)),
        written,
        wrong,
      ),
      tie('object'),
      tie('array'),
    ),
    object: fc
      .tuple(gap, fc.array(fc.tuple(gap, written, gap, gap, tie('value'), gap), { maxLength: 4 }))
      .map(([inside, members]) =>
        members.length === 0
          ? `{${inside}}`
          : `{${members.map(([a, key, b, c, value, d]) => `${a}${key}${b}:${c}${value}${d}`).join()}}`,
      ),
    array: fc
      .tuple(gap, fc.array(tie('value'), { maxLength: 3 }))
      .map(([inside, items]) => `[${inside}${items.join()}]`),
  }));
}

test('the field of any JSON document is the value of its last equal key, with escapes decoded', () => {
  const { object } = documents(numbers, good);
  const texts = fc.tuple(good, object, good).map((parts) => parts.join(''));
  fc.assert(
    fc.property(texts, paths, (text, path) => assertAgrees(Buffer.from(text), path)),
    { numRuns: 5_000 },
  );
});

test('a malformed document has no field, exactly where JSON.parse rejects it', () => {
  const { value } = documents(broken, space);
  fc.assert(
    fc.property(value, paths, (text, path) => assertAgrees(Buffer.from(text), path)),
    { numRuns: 5_000 },
  );
  const bytes = fc.array(fc.constantFrom(...'{}[]",:\\u0a1e-+. \n\0é', '"a"', '\xff'), { maxLength: 20 });
  const texts = bytes.map((parts) => Buffer.from(parts.join(''), 'latin1'));
  fc.assert(fc.property(texts, paths, assertAgrees), { numRuns: 5_000 });
});

test('a document with one byte changed, removed or added gives the result of JSON.parse', () => {
  const { object } = documents(numbers, good);
  const changes = fc.record({ at: fc.nat(), byte: fc.nat(255), cut: fc.nat(1), add: fc.boolean() });
  fc.assert(
    fc.property(object, changes, paths, (text, { at, byte, cut, add }, path) => {
      const bytes = Buffer.from(text);
      const where = at % (bytes.length + 1);
      const added = add ? Buffer.of(byte) : Buffer.alloc(0);
      assertAgrees(Buffer.concat([bytes.subarray(0, where), added, bytes.subarray(where + cut)]), path);
    }),
    { numRuns: 5_000 },
  );
});

test('the depth of an object is not limited', () => {
  const deep = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)},"b":7}`;
  assert.equal(new JsonField(['b']).findText(Buffer.from(deep), 0, deep.length), '7');
  assert.equal(new JsonField(['b']).findText(Buffer.from(deep), 0, deep.length - 1), undefined);
});

test('a string gives its decoded text, any other value its JSON', () => {
  const line = Buffer.from(
    '{"s":"a\\u0041\\n","n":1.50,"big":12345678901234567890,"o":{ "x" : [1, 2] },"z":null,"é":true}',
  );
  const of = (...path: string[]) => new JsonField(path).findText(line, 0, line.length);
  assert.deepEqual(
    [of('s'), of('n'), of('big'), of('o'), of('o', 'x'), of('z'), of('é'), of('s', 'length'), of('o', 'y')],
    ['aA\n', '1.50', '12345678901234567890', '{ "x" : [1, 2] }', '[1, 2]', 'null', 'true', undefined, undefined],
  );
});
