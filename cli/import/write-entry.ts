import { isDeepStrictEqual } from 'node:util';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { type ControllerApi, isNotFound } from '../rpc/client.ts';

/** What an import says of an entry. What was changed of it since, its filter for example, stays. */
const IMPORTED = ['paths', 'topic', 'selector'] as const;

/** Does what has to be done so that the controller has the entry as it was imported; with `validateOnly` the controller only checks it. */
export async function writeEntry(
  api: ControllerApi,
  entry: Entry,
  { reason: changeReason, validateOnly }: { reason: string; validateOnly: boolean },
): Promise<'created' | 'configured' | 'unchanged'> {
  const present = await api
    .call((options) => api.entries.getEntry({ name: entry.name }, options))
    .catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
  if (present && IMPORTED.every((field) => isDeepStrictEqual(present[field], entry[field]))) return 'unchanged';
  const what = present
    ? { entry: { ...entry, etag: present.etag }, updateMask: [...IMPORTED] }
    : { entry, updateMask: ['*'], allowMissing: true };
  await api.call((options) => api.entries.updateEntry({ ...what, changeReason, validateOnly }, options));
  return present ? 'configured' : 'created';
}
