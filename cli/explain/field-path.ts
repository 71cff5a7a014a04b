import type { FieldReference, MessageReference, Reference } from '../../proto/reference/reference.ts';
import { nearest } from '../../proto/rules/nearest.ts';
import { type KindName, kindNamed, kindNames } from '../kinds/kinds.ts';
import { CliError, exitCodes } from '../output/cli-error.ts';

/** The message that documents each kind. */
const MESSAGES: Readonly<Record<KindName, string>> = {
  entry: 'logfleet.v1.Entry',
  agent: 'logfleet.v1.Agent',
  loss: 'logfleet.v1.Fact',
  alert: 'logfleet.v1.Alert',
  rollout: 'logfleet.v1.RolloutStatus',
  settings: 'logfleet.v1.AgentSettings',
};

/** What a path such as `entry` or `entry.filter.json_field` names. */
export interface PathTarget {
  kind: KindName;
  /** The names below the kind; empty for the kind itself. */
  path: readonly string[];
  /** The last field of the path; undefined for the kind itself. */
  field: FieldReference | undefined;
  /** What the kind or the field consists of; undefined for a field that is not an object. */
  message: MessageReference | undefined;
}

/** Finds what a path names. Throws CliError with the nearest name and the possible ones. */
export function resolvePath(reference: Reference, text: string): PathTarget {
  const [kindWord = '', ...path] = text.split('.');
  const kind = kindNamed(kindWord);
  if (kind === undefined)
    throw new CliError(
      exitCodes.usage,
      `${JSON.stringify(kindWord)} is not a kind: ${remedy(kindWord, kindNames, 'kinds')}`,
    );
  let message = reference.get(MESSAGES[kind]);
  let field: FieldReference | undefined;
  for (const [depth, name] of path.entries()) {
    const parent = [kind, ...path.slice(0, depth)].join('.');
    if (!message) throw new CliError(exitCodes.usage, `${parent} has no fields: its type is ${field?.type}`);
    const { fields } = message;
    field = fields.find((each) => each.name === name);
    if (!field) {
      const names = fields.map((each) => each.name);
      throw new CliError(
        exitCodes.usage,
        `${parent} has no field ${JSON.stringify(name)}: ${remedy(name, names, 'fields')}`,
      );
    }
    message = reference.get(field.message ?? '');
  }
  return { kind, path, field, message };
}

/**
 * The paths that complete `text` by one name. An object is offered with a dot as well, so that the
 * shell does not end the word there.
 */
export function completePath(reference: Reference, text: string): string[] {
  const dot = text.lastIndexOf('.');
  if (dot === -1) return kindNames.flatMap((kind) => [kind, `${kind}.`]);
  const parent = text.slice(0, dot);
  try {
    const fields = resolvePath(reference, parent).message?.fields ?? [];
    return fields.flatMap(({ name, message }) => {
      const path = `${parent}.${name}`;
      return message === undefined ? [path] : [path, `${path}.`];
    });
  } catch {
    return [];
  }
}

function remedy(word: string, names: readonly string[], plural: string): string {
  const near = nearest(word, names);
  const list = `the ${plural} are ${names.join(', ')}`;
  return near === undefined ? list : `did you mean "${near}"? ${list.replace('the', 'The')}`;
}
