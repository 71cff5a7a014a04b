import assert from 'node:assert/strict';
import { appendFileSync, closeSync, fstatSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { Source } from '../../../../agent/collect/sources/source.ts';
import { newCheckpoint } from '../../../../agent/model/checkpoint.ts';
import type { Route } from '../../../../agent/produce/route.ts';
import { systemClock } from '../../../../runtime/clock.ts';
import { testFormat } from '../../../support/formats.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { testBench } from '../../../support/test-bench.ts';

const LOOKS = 300;

// Seen in CI: an observation took the file's size, the file grew, and the reader passed that size.
// The observation then took the file for truncated, and all of it was sent again.
test('a file that grows and is read while it is observed is not taken for truncated', async () => {
  await using dir = await tempDir();
  const file = dir.at('a.log');
  appendFileSync(file, '');
  const fd = openSync(file, 'r');
  const { dev: device, ino: inode } = fstatSync(fd, { bigint: true });
  const checkpoint = newCheckpoint('e', 'g', { device, inode, path: file, birthMs: 0 });
  const events = { onAcknowledged: () => {}, onStateChange: () => {} };
  const source = new Source(fd, checkpoint, { open: [], acknowledged: [], returned: [] }, 0, events, systemClock);
  const nowhere = { topic: 't', partition: 0, wake: () => {} } as unknown as Route;
  source.assign(nowhere, () => testFormat());
  const bench = testBench();
  for (let look = 0; look < LOOKS; look++) {
    const looked = source.look(0);
    appendFileSync(file, `line ${look}\n`);
    bench.records.reset();
    const filled = await source.fill(bench);
    if (filled.segment) source.acknowledged(filled.segment);
    assert.notEqual(await looked, 'truncated', `look ${look}`);
  }
  assert.equal(source.position, fstatSync(fd).size);
  closeSync(source.fd);
});
