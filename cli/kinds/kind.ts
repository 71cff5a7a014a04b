import type { Column } from '../output/table.ts';
import type { ControllerApi } from '../rpc/client.ts';
import type { AgentFilter } from './agent-filter.ts';

/** How the items of one kind are named and shown. */
export interface View<Item> {
  singular: string;
  plural: string;
  id(item: Item): string;
  /** The content for JSON and YAML. */
  document(item: Item): unknown;
  columns: readonly Column<Item>[];
  /** Added by `-o wide`. */
  wideColumns: readonly Column<Item>[];
}

/** A kind of resource that commands take as their first argument. */
export interface Kind<Item> extends View<Item> {
  /** One line for the help. */
  summary: string;
  /** The flags of `get` that apply to the kind. */
  filters: readonly FilterName[];
  /** Lists the items that match the filter. */
  list(api: ControllerApi, filter: Filter): Promise<Item[]>;
  /** Fetches one item. Kinds without it have no names, or find names by `list`. */
  get?(api: ControllerApi, name: string): Promise<Item>;
  /** Follows all items, or the one that is named. */
  watch?(api: ControllerApi, name: string, filter: Filter): AsyncIterable<Change<Item>>;
  /** Renders everything known about one item, for `describe`. */
  describe?(api: ControllerApi, name: string): Promise<string>;
  /** The table of `-o wide` where it needs requests of its own; `--watch` does not show it. */
  renderWide?(api: ControllerApi, items: readonly Item[], filter: Filter): Promise<string>;
}

/** An item that is present or was deleted; undefined once all present items have been sent. */
export type Change<Item> = { item: Item; isDeleted: boolean } | undefined;

export const filterNames = [
  'names',
  'watch',
  'selector',
  'agent',
  'entry',
  'sortBy',
  'state',
  'liveness',
  'minLag',
] as const;
export type FilterName = (typeof filterNames)[number];

/** Which items to show. */
export interface Filter extends AgentFilter {
  /** Empty: all. */
  names: readonly string[];
  selector?: string;
  agent?: string;
  /** Whether documents contain the files of each agent. */
  includeFiles: boolean;
}
