import { RolloutStatus } from '../../proto/gen/logfleet/v1/rollout.ts';
import { age, word } from '../format.ts';
import type { Kind } from '../output.ts';
import { countsOf } from './wait.ts';

export const rolloutKind: Kind<RolloutStatus> = {
  singular: 'rollout',
  plural: 'rollouts',
  id: ({ entry }) => entry.replace(/^entries\//, ''),
  document: (status) => RolloutStatus.toJSON(status),
  columns: [
    { title: 'NAME', value: ({ entry }) => entry.replace(/^entries\//, '') },
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
    { title: 'REVISION', value: ({ etag }) => etag },
    { title: 'FROM', value: ({ rollout }) => rollout?.from?.etag || '-' },
  ],
};
