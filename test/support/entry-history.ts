import { newPrefix, type RunningController, startController } from './controllers.ts';
import { violatedFields } from './grpc-client.ts';
import { sharedEtcd } from './servers.ts';

export const good = { paths: ['/var/log/app/*.log'], topic: 'app' };

export const controller = async (...args: string[]) => startController(await sharedEtcd(), newPrefix(), ...args);

/** A version as the dynamic client returns it. */
export interface Version {
  name: string;
  version: string;
  revision: string;
  change: string;
  // biome-ignore lint/suspicious/noExplicitAny: an entry as the .proto files say.
  entry: any;
  author: string;
  author_authenticated: boolean;
  change_reason: string;
  former_revision: string;
  rolled_back_to: string;
}

/** The whole history of an entry, newest version first, read page by page. */
export async function versionsOf(
  { api }: Pick<RunningController, 'api'>,
  id: string,
  pageSize = 1000,
): Promise<Version[]> {
  const all: Version[] = [];
  for (let token = ''; ; ) {
    const request = { name: `entries/${id}`, page_size: pageSize, page_token: token };
    const { versions, next_page_token: next } = await api.call('EntryService', 'ListEntryVersions', request);
    all.push(...versions);
    token = next;
    if (token === '') return all;
  }
}

export async function refusal(promise: Promise<unknown>): Promise<{ code: number; details: string; fields: string[] }> {
  try {
    await promise;
  } catch (error) {
    const { code, details } = error as { code: number; details: string };
    return { code, details, fields: violatedFields(error).sort() };
  }
  throw new Error('the call was not refused');
}
