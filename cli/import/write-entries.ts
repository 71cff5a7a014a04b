import { isDeepStrictEqual } from 'node:util';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { type ControllerApi, isNotFound } from '../rpc/client.ts';

/** What an import says of an entry. What was changed of it since, its filter for example, stays. */
const IMPORTED = ['paths', 'topic', 'selector'] as const;

export interface PlannedWrite {
  outcome: 'created' | 'configured' | 'unchanged';
  write(): Promise<void>;
}

/** What has to be done so that the controller has the entry as it was imported. */
export async function planWrite(api: ControllerApi, entry: Entry): Promise<PlannedWrite> {
  const present = await api
    .call((options) => api.entries.getEntry({ name: entry.name }, options))
    .catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
  if (present && IMPORTED.every((field) => isDeepStrictEqual(present[field], entry[field])))
    return { outcome: 'unchanged', write: async () => {} };
  const request = present
    ? { entry: { ...entry, etag: present.etag }, updateMask: [...IMPORTED] }
    : { entry, updateMask: ['*'], allowMissing: true };
  return {
    outcome: present ? 'configured' : 'created',
    write: async () => {
      await api.call((options) => api.entries.updateEntry(request, options));
    },
  };
}
