import { Table } from '../format.ts';
import { type Kind, type Output, renderItem, renderList } from '../output.ts';

/** As kubectl: standard output holds things only, so that lines can be counted. */
export function showList<Item>(
  kind: Kind<Item>,
  items: readonly Item[],
  output: Output,
  write: (text: string) => void,
): void {
  if (items.length > 0 || isDocument(output)) write(render(kind, items, output, false));
  else process.stderr.write(`No ${kind.plural} found.\n`);
}

export function render<Item>(kind: Kind<Item>, items: readonly Item[], output: Output, single: boolean): string {
  if (output === 'table' || output === 'wide') return tableOf(kind, output).render(items);
  const [only] = items;
  return single && only !== undefined
    ? renderItem(kind, only, output).replace(/^---\n/, '')
    : renderList(kind, items, output);
}

export function tableOf<Item>(kind: Kind<Item>, output: 'table' | 'wide'): Table<Item> {
  return new Table(output === 'wide' ? [...kind.columns, ...kind.wideColumns] : kind.columns);
}

export function isDocument(output: Output): output is 'json' | 'yaml' {
  return output === 'json' || output === 'yaml';
}
