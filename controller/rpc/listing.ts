import { createHash } from 'node:crypto';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { agentId } from '../../proto/rules/names.ts';
import { parseSelector, type Selector } from '../../proto/rules/selector.ts';
import { invalidArgument } from '../errors/api-error.ts';

const PAGE_SIZE = { default: 100, max: 1000 };
/** Clients accept 4 MiB by default, so a page may be shorter than requested (AIP-158). */
const PAGE_BYTES_MAX = 3 * 1024 * 1024;

interface ListRequest {
  pageSize: number;
  pageToken: string;
  labelSelector: string;
  /** All other parameters by which items are filtered and sorted. */
  filter?: string;
  /** Sorts the greatest keys first. */
  descending?: boolean;
  /** Violations found before. */
  violations?: FieldViolation[];
}

/** An item's position in a list, which is sorted by key and then by name. */
export interface Position {
  name: string;
  key?: number;
}

/** A parsed list request. */
export interface Listing {
  selector: Selector;
  /** The last name of the previous page. */
  after: string;
  size: number;
  /** Whether an item comes after the previous page. */
  isBehind(position: Position): boolean;
  /** Sorts items. */
  compare(a: Position, b: Position): number;
  /**
   * The page of sorted `items`. `bytesOf` returns an item's size in the response. `isCut`: more
   * items follow the given ones.
   */
  page<Item extends Position>(
    items: readonly Item[],
    bytesOf: (item: Item) => number,
    isCut?: boolean,
  ): { page: Item[]; nextPageToken: string };
}

/**
 * Parses a list request. A page token holds the position of the page's last item. So items that are
 * created or deleted between two pages shift nothing. A token is valid only for the same selector
 * and filter. Throws INVALID_ARGUMENT with all violations.
 */
export function listing(request: ListRequest): Listing {
  const { pageSize, pageToken, labelSelector, filter = '', descending = false, violations = [] } = request;
  if (pageSize < 0) {
    const description = `${pageSize} is negative: give 1 to ${PAGE_SIZE.max}, or 0 for ${PAGE_SIZE.default}`;
    violations.push({ field: 'page_size', description });
  }
  const parameters = filter === '' ? labelSelector : `${labelSelector}\n${filter}`;
  const after = decodeToken(pageToken, parameters);
  if (after === undefined) {
    const description = 'is not a token of this call and selector: send next_page_token unchanged';
    violations.push({ field: 'page_token', description });
  }
  const selector = parseLabelSelector(labelSelector, violations);
  if (violations.length > 0 || after === undefined || !selector) throw invalidArgument(violations);
  const compare = ({ name: a, key: keyA = 0 }: Position, { name: b, key: keyB = 0 }: Position) =>
    (descending ? keyB - keyA : keyA - keyB) || (a < b ? -1 : a > b ? 1 : 0);
  const isBehind = (position: Position) => pageToken === '' || compare(position, after) > 0;
  const size = Math.min(pageSize || PAGE_SIZE.default, PAGE_SIZE.max);
  return {
    ...{ selector, after: after.name, size, isBehind, compare },
    page: (items, bytesOf, isCut = false) => {
      const rest = items.filter(isBehind);
      const page = rest.slice(0, countFitting(rest, size, bytesOf));
      const last = page.at(-1);
      const more = last !== undefined && (isCut || rest.length > page.length);
      return { page, nextPageToken: more ? encodeToken(last, parameters) : '' };
    },
  };
}

/** Parses the selector of a request. Throws INVALID_ARGUMENT. */
export function labelSelector(text: string): Selector {
  const violations: FieldViolation[] = [];
  const selector = parseLabelSelector(text, violations);
  if (!selector) throw invalidArgument(violations);
  return selector;
}

/** The id in an agent's name. Throws INVALID_ARGUMENT. */
export function requireAgentId(name: string): string {
  const id = agentId(name);
  if (id) return id;
  throw invalidArgument([{ field: 'name', description: `${JSON.stringify(name)} is not an agent's name: agents/ID` }]);
}

function parseLabelSelector(text: string, violations: FieldViolation[]): Selector | undefined {
  try {
    return parseSelector(text);
  } catch (error) {
    violations.push({ field: 'label_selector', description: (error as Error).message });
    return undefined;
  }
}

/** How many of the first `size` items fit into one response: at least one. */
function countFitting<Item>(items: readonly Item[], size: number, bytesOf: (item: Item) => number): number {
  let bytes = 0;
  for (const [index, item] of items.slice(0, size).entries()) {
    bytes += bytesOf(item);
    if (bytes > PAGE_BYTES_MAX) return Math.max(1, index);
  }
  return size;
}

function encodeToken({ name, key = 0 }: Position, parameters: string): string {
  return Buffer.from(`after:${fingerprint(parameters)}:${key}:${name}`).toString('base64url');
}

/** The position in a token; undefined when it is not a token for these parameters. */
function decodeToken(token: string, parameters: string): Position | undefined {
  if (token === '') return { name: '' };
  const [word, chosen, key = '', ...name] = Buffer.from(token, 'base64url').toString().split(':');
  if (word !== 'after' || chosen !== fingerprint(parameters) || key === '' || !Number.isFinite(Number(key)))
    return undefined;
  return { name: name.join(':'), key: Number(key) };
}

function fingerprint(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}
