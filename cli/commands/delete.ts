import { entryName } from '../../proto/rules/names.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { forEachName } from '../target.ts';

export interface DeleteOptions {
  reason?: string;
  dryRun?: boolean;
}

/** `logfleet delete entry NAME…` */
export async function deleteEntries(
  api: ControllerApi,
  names: readonly string[],
  { reason: changeReason = '', dryRun: validateOnly = false }: DeleteOptions,
  write: (text: string) => void,
): Promise<void> {
  await forEachName(names, async (name) => {
    const request = { name: entryName(name), changeReason, validateOnly };
    await api.call((options) => api.entries.deleteEntry(request, options));
    write(`entry/${name} deleted${validateOnly ? ' (dry run)' : ''}\n`);
  });
}
