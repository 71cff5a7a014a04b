import { createHash } from 'node:crypto';
import type { FieldViolation } from '../../proto/rules/field-violation.ts';
import { agentId } from '../../proto/rules/names.ts';
import { parseSelector, type Selector } from '../../proto/rules/selector.ts';
import { invalidArgument } from '../errors/api-error.ts';

const PAGE_SIZE = { default: 100, max: 1000 };
/** A client takes answers of 4 MiB unless it was told otherwise: a page may be shorter than asked for (AIP-158). */
const PAGE_BYTES_MAX = 3 * 1024 * 1024;

interface ListRequest {
  pageSize: number;
  pageToken: string;
  labelSelector: string;
  /** What else the items were chosen and sorted by. */
  filter?: string;
  /** The greatest keys come first. */
  descending?: boolean;
  /** What is wrong already. */
  violations?: FieldViolation[];
}

/** Where something is in a list: sorted by its key, if it has one, then by its name. */
export interface Place {
  name: string;
  key?: number;
}

/** A request to list, understood. */
export interface Listing {
  selector: Selector;
  /** The last name of the page before. */
  after: string;
  size: number;
  /** Whether something comes behind what the page before has. */
  isBehind(place: Place): boolean;
  /** What comes first. */
  compare(a: Place, b: Place): number;
  /**
   * The page of `items`, which are in order; `bytesOf` says how large one is in the answer, `isCut` that there are
   * others behind them.
   */
  page<Item extends Place>(
    items: readonly Item[],
    bytesOf: (item: Item) => number,
    isCut?: boolean,
  ): { page: Item[]; nextPageToken: string };
}

/**
 * Understands a request to list. A token holds the last place told, so that what is created or deleted in between shifts nothing, and
 * belongs to its selector and filter. Throws INVALID_ARGUMENT with every field that is wrong.
 */
export function listing(request: ListRequest): Listing {
  const { pageSize, pageToken, labelSelector, filter = '', descending = false, violations = [] } = request;
  if (pageSize < 0) {
    const description = `${pageSize} is negative: give 1 to ${PAGE_SIZE.max}, or 0 for ${PAGE_SIZE.default}`;
    violations.push({ field: 'page_size', description });
  }
  const chosenBy = filter === '' ? labelSelector : `${labelSelector}\n${filter}`;
  const after = decodeToken(pageToken, chosenBy);
  if (after === undefined) {
    const description = 'is not a token of this call and selector: send next_page_token unchanged';
    violations.push({ field: 'page_token', description });
  }
  const selector = selectorOf(labelSelector, violations);
  if (violations.length > 0 || after === undefined || !selector) throw invalidArgument(violations);
  const compare = ({ name: a, key: keyA = 0 }: Place, { name: b, key: keyB = 0 }: Place) =>
    (descending ? keyB - keyA : keyA - keyB) || (a < b ? -1 : a > b ? 1 : 0);
  const isBehind = (place: Place) => pageToken === '' || compare(place, after) > 0;
  const size = Math.min(pageSize || PAGE_SIZE.default, PAGE_SIZE.max);
  return {
    ...{ selector, after: after.name, size, isBehind, compare },
    page: (items, bytesOf, isCut = false) => {
      const rest = items.filter(isBehind);
      const page = rest.slice(0, fitting(rest, size, bytesOf));
      const last = page.at(-1);
      const more = last !== undefined && (isCut || rest.length > page.length);
      return { page, nextPageToken: more ? encodeToken(last, chosenBy) : '' };
    },
  };
}

/** The selector of a request; throws INVALID_ARGUMENT. */
export function labelSelector(text: string): Selector {
  const violations: FieldViolation[] = [];
  const selector = selectorOf(text, violations);
  if (!selector) throw invalidArgument(violations);
  return selector;
}

/** The id in an agent's name; throws INVALID_ARGUMENT. */
export function requireAgentId(name: string): string {
  const id = agentId(name);
  if (id) return id;
  throw invalidArgument([{ field: 'name', description: `${JSON.stringify(name)} is not an agent's name: agents/ID` }]);
}

function selectorOf(text: string, violations: FieldViolation[]): Selector | undefined {
  try {
    return parseSelector(text);
  } catch (error) {
    violations.push({ field: 'label_selector', description: (error as Error).message });
    return undefined;
  }
}

/** How many of the first `size` items fit into one answer: at least one. */
function fitting<Item>(items: readonly Item[], size: number, bytesOf: (item: Item) => number): number {
  let bytes = 0;
  for (const [index, item] of items.slice(0, size).entries()) {
    bytes += bytesOf(item);
    if (bytes > PAGE_BYTES_MAX) return Math.max(1, index);
  }
  return size;
}

function encodeToken({ name, key = 0 }: Place, chosenBy: string): string {
  return Buffer.from(`after:${fingerprint(chosenBy)}:${key}:${name}`).toString('base64url');
}

/** The last place told; undefined for what is no token of this choice. */
function decodeToken(token: string, chosenBy: string): Place | undefined {
  if (token === '') return { name: '' };
  const [word, chosen, key = '', ...name] = Buffer.from(token, 'base64url').toString().split(':');
  if (word !== 'after' || chosen !== fingerprint(chosenBy) || key === '' || !Number.isFinite(Number(key)))
    return undefined;
  return { name: name.join(':'), key: Number(key) };
}

function fingerprint(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}
