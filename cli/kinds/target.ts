import { CliError, exitCodes } from '../output/cli-error.ts';
import { type KindName, kindNamed, kindNames, pluralsOf } from './kinds.ts';

/** The resources that a command acts on; no names stand for all. */
export interface Target<Name extends KindName = KindName> {
  kind: Name;
  names: string[];
}

/**
 * Reads `entry a b`, `entries`, or `entry/a entry/b`, as kubectl does. Throws CliError for a kind
 * that is not one of `allowed`.
 */
export function parseTarget<Name extends KindName = KindName>(
  words: readonly string[],
  allowed: readonly Name[] = kindNames as Name[],
): Target<Name> {
  const [first = '', ...rest] = words;
  const [firstKind = ''] = first.split('/');
  const kind = parseKind(firstKind, allowed);
  if (!first.includes('/')) return { kind, names: rest };
  const names = words.map((word) => {
    const [other = '', name, ...more] = word.split('/');
    if (kindNamed(other) !== kind || !name || more.length > 0)
      throw new CliError(exitCodes.usage, `${word}: give names of one kind, such as ${kind}/a ${kind}/b`);
    return name;
  });
  return { kind, names };
}

/** Reads the only name. Throws CliError when there is none, or more than one. */
export function parseOneTarget<Name extends KindName>(
  words: readonly string[],
  allowed: readonly Name[],
): { kind: Name; name: string } {
  const { kind, names } = parseTarget(words, allowed);
  const [name, ...more] = names;
  if (name === undefined || more.length > 0)
    throw new CliError(exitCodes.usage, `name one ${allowed.join(' or one ')}, such as ${kind} NAME`);
  return { kind, name };
}

function parseKind<Name extends KindName>(word: string, allowed: readonly Name[]): Name {
  if (word === '') throw new CliError(exitCodes.usage, `give a kind, ${pluralsOf(allowed)}, and names`);
  const kind = kindNamed(word);
  if (kind !== undefined && (allowed as readonly KindName[]).includes(kind)) return kind as Name;
  const problem = kind === undefined ? 'is not a kind' : 'does not fit this command';
  throw new CliError(exitCodes.usage, `${JSON.stringify(word)} ${problem}: give ${pluralsOf(allowed)}`);
}
