import { RolloutCounts, RolloutStatus } from '../../proto/gen/logfleet/v1/rollout.ts';
import { etagRevision } from '../../proto/rules/etag.ts';
import { entryName, shortEntryName } from '../../proto/rules/names.ts';
import { age, word } from '../output/format.ts';
import { listRollouts } from '../rpc/lists.ts';
import type { Kind } from './kind.ts';

export const rollouts: Kind<RolloutStatus> = {
  singular: 'rollout',
  plural: 'rollouts',
  summary: 'changes of entries that are applied in steps',
  filters: ['names', 'entry'],
  id: ({ entry }) => shortEntryName(entry),
  document: (status) => RolloutStatus.toJSON(status),
  list: async (api, { names, entry }) => {
    const wanted = [...names, ...(entry === undefined ? [] : [entry])].map(entryName);
    return (await listRollouts(api)).filter((status) => wanted.length === 0 || wanted.includes(status.entry));
  },
  columns: [
    { title: 'NAME', value: ({ entry }) => shortEntryName(entry) },
    { title: 'STATE', value: ({ rollout }) => word(rollout?.state ?? '-') },
    { title: 'STEP', value: ({ rollout }) => `${rollout?.step ?? 0}/${rollout?.plan?.steps.length ?? 0}` },
    { title: 'APPLIED', value: (status) => `${countsOf(status).updated}/${countsOf(status).inStage}` },
    { title: 'FAILED', value: (status) => String(countsOf(status).failed) },
    { title: 'CONNECTED', value: (status) => String(countsOf(status).connected) },
    { title: 'AGE', value: ({ rollout }) => age(rollout?.createTime) },
    { title: 'REASON', value: ({ rollout }) => rollout?.reason || '-' },
  ],
  wideColumns: [
    { title: 'STEPS', value: ({ rollout }) => rollout?.plan?.steps.map(({ canary }) => canary).join(' ') ?? '-' },
    { title: 'AWAY', value: ({ away }) => String(away) },
    { title: 'REVISION', value: ({ etag }) => etagRevision(etag) },
    { title: 'FROM', value: ({ rollout }) => etagRevision(rollout?.from?.etag ?? '') || '-' },
  ],
};

export function countsOf({ counts }: RolloutStatus): RolloutCounts {
  return counts ?? RolloutCounts.create();
}
