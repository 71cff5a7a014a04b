import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FileBudget } from '../../../../agent/collect/files/file-budget.ts';
import { CrashRecovery } from '../../../../agent/collect/sources/crash-recovery.ts';
import { WorkPool } from '../../../../agent/encode/work-pool.ts';
import { newCheckpoint } from '../../../../agent/model/checkpoint.ts';
import type { Loss } from '../../../../agent/model/fact.ts';
import { lineStates } from '../../../../agent/model/line-state.ts';
import type { OpenIntent } from '../../../../agent/model/segment.ts';
import { openAgentState } from '../../../../agent/state/agent-state.ts';
import { systemClock } from '../../../../runtime/clock.ts';
import { createLogger } from '../../../../runtime/logger.ts';
import { tempDir } from '../../../support/temp-dir.ts';

test('bytes cut off in a recovered batch that is in Kafka are a loss, even before its file is found', async () => {
  await using dir = await tempDir();
  const logger = createLogger({ level: 'error', format: 'json', write: () => {} });
  const options = { stateDir: dir.path, durability: 'process', stateFailure: 'hold', audit: false } as const;
  const { state, store } = openAgentState(options, { clock: systemClock, logger });
  store.put({ ...newCheckpoint('e', 'g', { path: '/a.log', device: 1n, inode: 2n, birthMs: 0 }), size: 30 });
  state.flush(1);
  const lineState = {
    rangeStart: 0,
    startState: lineStates.lineStart,
    endState: lineStates.lineStart,
    rangeEnd: 30,
    lineState: lineStates.lineStart,
  };
  const cut = { start: 10, end: 20, bytes: 10 };
  const segment = { generation: 'g', start: 0, end: 30, lines: 2, ...lineState, cut, checksum: 0, format: '{}' };
  const batch = { recordCount: 2, timestampMs: 1, compression: 'none', segments: [segment] } as const;
  const sent = { topic: 't', partition: 0, producer: { id: 1n, epoch: 0 }, baseSequence: 0 };
  const intent: OpenIntent = { id: 1, ...batch, ...sent };
  const losses: Loss[] = [];
  const facts = { loss: (loss: Loss) => losses.push(loss), sealed: () => {}, begun: () => {} };
  const recovery = new CrashRecovery([intent], {
    store,
    facts,
    pool: new WorkPool(1),
    budget: new FileBudget(9),
    logger,
  });
  for (const { onAcknowledged } of recovery.batches) onAcknowledged();
  const subject = { entryUid: 'e', generation: 'g', path: '/a.log' };
  assert.deepEqual(losses, [{ ...subject, ...cut, openEnded: false, reason: 'too-long' }]);
  assert.equal(store.load('e')[0]?.position, 30);
  state.close();
});
