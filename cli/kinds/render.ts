import { renderDocument } from '../output/document.ts';
import { Table } from '../output/table.ts';
import type { View } from './kind.ts';

export const outputs = ['table', 'wide', 'json', 'yaml', 'name'] as const;
export type Output = (typeof outputs)[number];

/** Renders several items: as a table, one document, or one name a line. */
export function renderList<Item>(view: View<Item>, items: readonly Item[], output: Output): string {
  if (isTable(output)) return tableFor(view, output).render(items);
  if (output === 'name') return items.map((item) => renderName(view, item)).join('');
  return renderDocument({ [view.plural]: items.map((item) => view.document(item)) }, output);
}

/** Renders one item by itself. */
export function renderItem<Item>(view: View<Item>, item: Item, output: Output): string {
  if (isTable(output)) return tableFor(view, output).render([item]);
  return output === 'name' ? renderName(view, item) : renderDocument(view.document(item), output);
}

/** Renders one of a stream of items. YAML documents begin with `---`. */
export function renderNext<Item>(view: View<Item>, item: Item, output: 'json' | 'yaml' | 'name'): string {
  return `${output === 'yaml' ? '---\n' : ''}${renderItem(view, item, output)}`;
}

export function tableFor<Item>(view: View<Item>, output: 'table' | 'wide'): Table<Item> {
  return new Table(output === 'wide' ? [...view.columns, ...view.wideColumns] : view.columns);
}

export function isTable(output: Output): output is 'table' | 'wide' {
  return output === 'table' || output === 'wide';
}

export function isDocument(output: Output): output is 'json' | 'yaml' {
  return output === 'json' || output === 'yaml';
}

function renderName<Item>(view: View<Item>, item: Item): string {
  return `${view.singular}/${view.id(item)}\n`;
}
