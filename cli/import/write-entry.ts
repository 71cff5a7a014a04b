import { isDeepStrictEqual } from 'node:util';
import type { Entry } from '../../proto/gen/logfleet/v1/entry.ts';
import { type ControllerApi, isNotFound } from '../rpc/client.ts';

/** The fields that an import sets. Others, such as the filter, keep what was set since. */
const IMPORTED = ['paths', 'topic', 'selector'] as const;

/**
 * Creates or updates an entry if its imported fields differ; with `validateOnly` without effect.
 */
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
  const change = present
    ? { entry: { ...entry, etag: present.etag }, updateMask: [...IMPORTED] }
    : { entry, updateMask: ['*'], allowMissing: true };
  await api.call((options) => api.entries.updateEntry({ ...change, changeReason, validateOnly }, options));
  return present ? 'configured' : 'created';
}
