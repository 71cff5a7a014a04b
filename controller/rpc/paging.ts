import { invalidArgument } from '../api-error.ts';

const PAGE_SIZE = { default: 100, max: 1000 };

/**
 * A page of things in the order of their names (AIP-158). The token holds the last name told, so that what is created or deleted in
 * between shifts nothing. Throws INVALID_ARGUMENT.
 */
export function pageOf<Item extends { name: string }>(
  items: readonly Item[],
  request: { pageSize: number; pageToken: string },
): { page: Item[]; nextPageToken: string } {
  if (request.pageSize < 0) {
    throw invalidArgument([
      { field: 'page_size', description: `${request.pageSize} is negative: give 1 to ${PAGE_SIZE.max}, or 0` },
    ]);
  }
  const size = Math.min(request.pageSize || PAGE_SIZE.default, PAGE_SIZE.max);
  const after = decodeToken(request.pageToken);
  const rest = items.filter(({ name }) => name > after);
  const page = rest.slice(0, size);
  const more = rest.length > page.length;
  return { page, nextPageToken: more ? encodeToken(page.at(-1)?.name ?? '') : '' };
}

function encodeToken(name: string): string {
  return Buffer.from(`after:${name}`).toString('base64url');
}

function decodeToken(token: string): string {
  if (token === '') return '';
  const text = Buffer.from(token, 'base64url').toString();
  if (text.startsWith('after:')) return text.slice('after:'.length);
  throw invalidArgument([
    { field: 'page_token', description: 'is not a token of this call: send next_page_token unchanged' },
  ]);
}
