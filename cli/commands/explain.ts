import { Argument, Command } from 'commander';
import { loadReference } from '../../proto/reference/reference.ts';
import { completePath, resolvePath } from '../explain/field-path.ts';
import { renderReference, renderTree } from '../explain/render-reference.ts';
import { kindNames } from '../kinds/kinds.ts';
import type { CommandContext } from './command-context.ts';
import { helpWidthOf, withHelp } from './command-help.ts';

/** A kind and the names of fields below it, such as `entry.filter.json_field`. */
export class FieldPathArgument extends Argument {
  constructor() {
    super('<path>', `a kind and names of fields: ${kindNames.join(', ')}`);
  }

  /** The paths that continue what is written. */
  completions(current: string): string[] {
    return completePath(loadReference(), current);
  }
}

/** `logfleet explain KIND[.FIELD…]` */
export function explainCommand({ write }: CommandContext): Command {
  const command = new Command('explain')
    .addArgument(new FieldPathArgument())
    .option('-r, --recursive', 'list the names and types of all fields below')
    .action((path: string, { recursive }: { recursive?: true }) => {
      const reference = loadReference();
      const target = resolvePath(reference, path);
      write(recursive ? renderTree(reference, target) : renderReference(target, helpWidthOf(command)));
    });
  return withHelp(command, {
    summary: 'explain a kind and its fields',
    details: ['It needs no controller: the text is that of the API of this version. docs/entries.md has recipes.'],
    examples: [
      ['Show what an entry may contain', 'logfleet explain entry'],
      ['Show one field with its default, bounds and an example', 'logfleet explain entry.filter.json_field'],
      ['List all fields of an agent', 'logfleet explain agent --recursive'],
    ],
  });
}
