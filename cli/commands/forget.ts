import { agentName } from '../../proto/rules/names.ts';
import type { ControllerApi } from '../rpc/client.ts';
import { forEachName } from '../target.ts';

/** `logfleet forget agent NAME…`, `logfleet delete agent NAME…` */
export function forget(
  api: ControllerApi,
  names: readonly string[],
  done: 'forgotten' | 'deleted',
  write: (text: string) => void,
): Promise<void> {
  return forEachName(names, async (name) => {
    await api.call((options) => api.fleet.forgetAgent({ name: agentName(name) }, options));
    write(`agent/${name} ${done}\n`);
  });
}
