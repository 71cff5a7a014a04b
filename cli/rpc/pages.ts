/** The most that the controller returns at once. */
export const PAGE_SIZE = 1000;

/** Lists all items, page by page. */
export async function listAll<Item>(
  fetchPage: (token: string) => Promise<{ items: Item[]; nextPageToken: string }>,
): Promise<Item[]> {
  const all: Item[] = [];
  let token = '';
  do {
    const { items, nextPageToken } = await fetchPage(token);
    all.push(...items);
    token = nextPageToken;
  } while (token !== '');
  return all;
}
