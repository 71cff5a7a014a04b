import { z } from 'zod';
import { isHostPort } from './host-port.ts';
import { parseByteSize, parseDuration } from './units.ts';

export type LeafKind = 'text' | 'number' | 'flag' | 'list' | 'map';

/** One setting, which is a leaf of the schema. */
export interface Leaf {
  /** Such as `kafka.sasl.mechanism`. */
  key: string;
  path: readonly string[];
  kind: LeafKind;
  description: string;
  /** The default in the schema; undefined if there is none. */
  default: unknown;
  /** Whether its value must not be printed. */
  secret: boolean;
}

/** A setting such as `5s`, `250ms`, `2m` or `1h`, in milliseconds. `least` has the same syntax. */
export function duration(least = '0s') {
  return amount((text) => parseDuration(text), 'a duration such as "5s" or "250ms"', least);
}

/** A setting such as `64MiB`, `512KiB` or a plain number, in bytes. `least` has the same syntax. */
export function byteSize(least = '0B') {
  return amount((text) => parseByteSize(text, 'B'), 'a size such as "64MiB"', least);
}

/** A setting that is `true` or `false`. As a flag without a value it is true. */
export function flag() {
  return z.boolean({ error: ({ input }) => `expected true or false, without quotes, found ${JSON.stringify(input)}` });
}

/** A setting with `key=value` pairs. */
export function pairs() {
  return z.record(z.string(), z.string(), 'expected KEY=VALUE,…');
}

/** A setting with an address `host:port`. The port is required. */
export function hostPort() {
  return z.string().refine(isHostPort, 'expected HOST:PORT');
}

/** Returns every setting of a schema, in the order of the schema. */
export function leavesOf(schema: z.ZodType, path: readonly string[] = []): Leaf[] {
  const { inner, fallback } = unwrap(schema);
  if (inner instanceof z.ZodObject) {
    return Object.entries(inner.shape).flatMap(([key, child]) => leavesOf(child as z.ZodType, [...path, key]));
  }
  const description = schema.description ?? inner.description ?? '';
  const secret = /password$|token$/.test(path.at(-1) ?? '');
  return [{ key: path.join('.'), path, kind: kindOf(inner), description, default: fallback, secret }];
}

/** Parses the text of a flag or a variable. The schema validates the result. */
export function parseText(kind: LeafKind, text: string): unknown {
  switch (kind) {
    case 'text':
      return text;
    case 'number':
      return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
    case 'flag':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'list':
      return text.split(',').filter((item) => item !== '');
    case 'map': {
      const items = text.split(',').filter((item) => item !== '');
      return items.every((item) => item.includes('='))
        ? Object.fromEntries(items.map((item) => splitOnce(item)))
        : text;
    }
  }
}

function splitOnce(pair: string): [string, string] {
  const at = pair.indexOf('=');
  return [pair.slice(0, at), pair.slice(at + 1)];
}

function amount(parse: (text: string) => number | undefined, expected: string, least: string) {
  return z.union([z.string(), z.number()], `expected ${expected}`).transform((given, context) => {
    const text = String(given);
    const value = parse(text);
    if (value !== undefined && value >= (parse(least) as number)) return value;
    const message = value === undefined ? `expected ${expected}` : `${text} is too small: use at least ${least}`;
    context.addIssue({ code: 'custom', message, input: text });
    return z.NEVER;
  });
}

function unwrap(schema: z.ZodType): { inner: z.ZodType; fallback: unknown } {
  let inner = schema;
  let fallback: unknown;
  for (;;) {
    if (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) fallback ??= inner.def.defaultValue;
    else if (!(inner instanceof z.ZodOptional)) break;
    inner = inner.def.innerType as z.ZodType;
  }
  return { inner, fallback };
}

function kindOf(schema: z.ZodType): LeafKind {
  if (schema instanceof z.ZodArray) return 'list';
  if (schema instanceof z.ZodRecord) return 'map';
  if (schema instanceof z.ZodBoolean) return 'flag';
  return schema instanceof z.ZodNumber ? 'number' : 'text';
}
